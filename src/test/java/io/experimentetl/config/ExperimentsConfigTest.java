package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.mapping.DeclaredExperiments;
import io.experimentetl.mapping.EntityNumber;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import org.junit.jupiter.api.Test;

class ExperimentsConfigTest {
  private static SourceMapping mapping(String tables) {
    return ConfigBuilder.read("source:\n  tables:\n" + tables.indent(4)).source().tables();
  }

  @Test
  void experimentsMayBeInTheFile() {
    DeclaredExperiments declared =
        mapping(
                """
                experiments:
                  inline:
                    - key: checkout
                      starts_at: 2026-11-20
                      ends_at: 2026-12-01T10:00:00.5+01:00
                      zone: Europe/Berlin
                      variants: [{key: a, weight: 1, control: true}, {key: b, weight: 0.5, name: Big}]
                assignments: {columns: {experiment_id: {key: test}, variant_id: {key: arm}}}
                events: none
                """)
            .declared();
    long checkout = EntityNumber.of(SourceTable.EXPERIMENTS, "checkout");
    assertThat(declared.experiments())
        .containsExactly(
            new ExperimentRow(
                checkout,
                "checkout",
                "checkout",
                null,
                "ACTIVE",
                null,
                1,
                "{\"zone\": \"Europe/Berlin\"}",
                1795129200000000L,
                1796115600500000L,
                0,
                0));
    assertThat(declared.variants())
        .containsExactly(
            variant(EntityNumber.of(SourceTable.VARIANTS, checkout + ":a"), checkout, "a", "a", 1),
            variant(
                EntityNumber.of(SourceTable.VARIANTS, checkout + ":b"), checkout, "b", "Big", 0.5));
  }

  private static VariantRow variant(
      long id, long experiment, String key, String name, double weight) {
    return new VariantRow(id, experiment, key, name, null, weight, key.equals("a"), null, 0, 0);
  }

  @Test
  void factsMayNameExperimentsOfTheFileById() {
    SourceMapping mapping =
        mapping(
            "experiments: {inline: [{id: 7, key: checkout, variants: [{id: arm-1, key: a, weight: 1}]}]}");
    assertThat(mapping.of(SourceTable.EXPERIMENTS)).isEmpty();
    assertThat(mapping.gives(SourceTable.VARIANTS)).isTrue();
    assertThat(mapping.declared().experiments().get(0).id()).isEqualTo(7);
    assertThat(mapping.declared().experiments().get(0).sourceId()).isNull();
    VariantRow variant = mapping.declared().variants().get(0);
    assertThat(variant.id()).isEqualTo(EntityNumber.of(SourceTable.VARIANTS, "arm-1"));
    assertThat(variant.sourceId()).isEqualTo("arm-1");
  }

  @Test
  void errorsOfExperimentsInTheFileAreListed() {
    assertThatThrownBy(
            () ->
                mapping(
                    """
                    variants: {table: arms}
                    experiments:
                      inline:
                        - {key: a, table: t, starts_at: 2026-11-20, ends_at: 2026-11-19, zone: Berlin}
                        - {key: a, id: 5, status: RUNNING, variants: []}
                        - {id: 5, key: c, starts_at: soon, variants: [{key: x, weight: -1}, {key: x}, {weight: 1}]}
                    """))
        .message()
        .contains(
            "source.tables.variants: stands beside experiments.inline",
            "inline[0].variants: is missing.",
            "inline[0].ends_at: is not behind starts_at.",
            "inline[0].zone: \"Berlin\" is not a time zone.",
            "inline[0].table: is not a key of",
            "inline[1].key: \"a\" is the key of another experiment too.",
            "inline[1].status: is \"RUNNING\", which is no status.",
            "inline[1].variants: is an empty list, not a list with at least one element.",
            "inline[2].id: gives the experiment c the number 5, which a has too.",
            "inline[2].starts_at: is \"soon\", which is no time",
            "inline[2].variants[0].weight: is -1, not a number from 0 on.",
            "inline[2].variants[1].key: \"x\" is the key of another variant too.",
            "inline[2].variants[1].weight: is missing.",
            "inline[2].variants[2].key: is missing.");
  }
}
