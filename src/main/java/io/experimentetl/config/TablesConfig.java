package io.experimentetl.config;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * Reads {@code source.tables}: {@code docs/mapping.md} has each key with an example. A table
 * without an entry is the default table. What refers to experiments or variants by key decides how
 * they are numbered: then all tables number them by key.
 */
final class TablesConfig {
  private static final String REFERENCE_REMEDY =
      "A platform that names %1$s by key in one table of facts must name them so in all: write {key: COLUMN}.";

  private final Section section;
  private final String schema;

  private TablesConfig(Section section, String schema) {
    this.section = section;
    this.schema = schema;
  }

  /**
   * Reads the entries.
   *
   * @param schema of the tables that are named without one
   */
  static SourceMapping read(Section section, String schema) {
    return new TablesConfig(section, schema).mapping();
  }

  private SourceMapping mapping() {
    List<TableBinding> tables = new ArrayList<>();
    boolean isDeclared = section.any("experiments").has("inline");
    if (!isDeclared) {
      tables.add(table("experiments", SourceTable.EXPERIMENTS));
      tables.add(table("variants", SourceTable.VARIANTS));
    } else if (!section.isEmpty("variants")) {
      section.error(
          "variants",
          "stands beside experiments.inline, which lists the variants of each experiment.",
          "Remove one of the two.");
    }
    if (!isNone("users")) {
      tables.add(table("users", SourceTable.USERS));
    }
    if (!section.isEmpty(SourceMapping.ERASED)) {
      tables.add(table(SourceMapping.ERASED, SourceTable.USERS));
      if (!isNone("users")) {
        section.error(
            SourceMapping.ERASED,
            "stands beside a table of users.",
            "Delete the rows of erased users, or say in users.erased_when which rows are theirs. A platform without a table of users says users: none.");
      }
    }
    tables.add(table("assignments", SourceTable.ASSIGNMENTS));
    if (!section.isEmpty(SourceMapping.EXPOSURES)) {
      tables.add(table(SourceMapping.EXPOSURES, SourceTable.EVENTS));
    }
    if (!isNone("events")) {
      tables.add(table("events", SourceTable.EVENTS));
    }
    tables.addAll(section.groups("facts", new FactsConfig(schema)::read, List.of()));
    tables.add(TableBinding.defaults(SourceTable.OUTBOX_EVENTS, schema));
    tables.add(TableBinding.defaults(SourceTable.ETL_HEARTBEAT, schema));
    refuse("identities", "Remove it.");
    tables.removeIf(Objects::isNull);
    new MaskConfig(section).apply(tables);
    return numbered(tables, isDeclared);
  }

  /** Whether the platform has no such table. */
  private boolean isNone(String entry) {
    return section.any(entry).asText().equals("none");
  }

  private void refuse(String key, String remedy) {
    if (!section.isEmpty(key)) {
      section.error(key, "is not supported by this version.", remedy);
    }
  }

  /** Null after an error. */
  private TableBinding table(String entry, SourceTable table) {
    TableBinding binding =
        section.optionalGroup(
            entry, group -> new TableConfig(group, entry, table, schema, null).binding());
    return binding == null && section.isEmpty(entry)
        ? TableBinding.defaults(table, schema)
        : binding;
  }

  /** Gives experiments and variants the numbers by which the facts name them. */
  private SourceMapping numbered(List<TableBinding> tables, boolean isDeclared) {
    boolean experimentsByKey = isByKey(tables, "experiment_id", SourceTable.EXPERIMENTS);
    boolean variantsByKey = isByKey(tables, "variant_id", SourceTable.VARIANTS);
    tables.replaceAll(
        table ->
            switch (table.table()) {
              case EXPERIMENTS -> experimentsByKey ? experimentByKey(table) : table;
              case VARIANTS -> variantsByKey ? variantByKey(table) : table;
              default -> table;
            });
    VariantListConfig.within(tables);
    return new SourceMapping(
        schema,
        tables,
        isDeclared
            ? section.group(
                "experiments",
                group -> ExperimentsConfig.read(group, experimentsByKey, variantsByKey))
            : null);
  }

  /** Whether the facts name the entity by key. Reports tables that differ from the others. */
  private boolean isByKey(List<TableBinding> tables, String column, SourceTable entity) {
    List<TableBinding> facts =
        tables.stream()
            .filter(
                table ->
                    table.table() == SourceTable.ASSIGNMENTS || table.table() == SourceTable.EVENTS)
            .filter(table -> table.columns().containsKey(column) && !table.isShared())
            .toList();
    List<String> byKey =
        facts.stream()
            .filter(table -> TableConfig.isByKey(table.columns().get(column)))
            .map(TableBinding::entry)
            .toList();
    for (TableBinding table : facts) {
      if (!byKey.isEmpty() && !byKey.contains(table.entry())) {
        section.error(
            table.entry() + ".columns." + column,
            "names %s by id, while %s names them by key."
                .formatted(entity.tableName(), String.join(", ", byKey)),
            REFERENCE_REMEDY.formatted(entity.tableName())
                + (table.mapped() ? "" : " A platform without this table says events: none."));
      }
    }
    return !byKey.isEmpty();
  }

  private static TableBinding experimentByKey(TableBinding experiments) {
    ColumnBinding key = experiments.columns().get("key");
    return byKey(
        experiments, key.from(new Origin.Number(SourceTable.EXPERIMENTS, key.origin(), true)));
  }

  private static TableBinding variantByKey(TableBinding table) {
    if (table.elements() != null) {
      return table.withElements(variantByKey(table.elements()));
    }
    ColumnBinding key = table.columns().get("key");
    Origin experiment = table.columns().get("experiment_id").origin();
    Origin number =
        experiment instanceof Origin.Number
            ? experiment
            : new Origin.Number(SourceTable.EXPERIMENTS, experiment, false);
    return byKey(
        table,
        key.from(
            new Origin.Number(
                SourceTable.VARIANTS, new Origin.Key(List.of(number, key.origin())), true)));
  }

  /** The source's own id is kept beside the number, where the table has one. */
  private static TableBinding byKey(TableBinding table, ColumnBinding number) {
    Origin id = table.columns().get("id").origin();
    Origin own = id instanceof Origin.Number named ? named.text() : id;
    return table.with("id", number).with(SourceTable.SOURCE_ID, ColumnBinding.of(own));
  }
}
