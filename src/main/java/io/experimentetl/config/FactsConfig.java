package io.experimentetl.config;

import static io.experimentetl.config.ValueType.CENTURY;
import static io.experimentetl.config.ValueType.bool;
import static io.experimentetl.config.ValueType.duration;
import static io.experimentetl.config.ValueType.identifier;

import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;

/** Reads the entries of {@code source.tables.facts}, each a table of metric events. */
final class FactsConfig {
  private static final Duration SHORTEST = Duration.ofDays(1);

  private final String schema;
  private final Set<String> names = new HashSet<>();

  FactsConfig(String schema) {
    this.schema = schema;
  }

  TableBinding read(Section section) {
    String name =
        section.required(
            "name",
            identifier(),
            "Give the table a name: the ids of its events are made from it, and metrics use it.");
    if (name != null && (!names.add(name) || name.equals(SourceMapping.EXPOSURES))) {
      section.error(
          "name",
          "\"%s\" is the name of another entry too.".formatted(name),
          "Give each table of facts its own name, other than exposures.");
    }
    FactTable fact =
        new FactTable(
            name == null ? "" : name, section.get("mutable", bool(), false), retention(section));
    return new TableConfig(section, "facts." + fact.name(), SourceTable.EVENTS, schema, fact)
        .binding();
  }

  private static Duration retention(Section section) {
    return section.any("retention").asText().equals("none")
        ? FactTable.FOR_EVER
        : section.optional("retention", duration(SHORTEST, CENTURY));
  }
}
