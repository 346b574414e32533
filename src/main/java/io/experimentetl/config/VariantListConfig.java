package io.experimentetl.config;

import static io.experimentetl.config.ValueType.text;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads {@code variants: {column, path}}: variants in a JSON list of experiments' rows. */
final class VariantListConfig {

  /** What the row has that holds the list, and not the element. */
  private static final Set<String> OF_THE_ROW = Set.of("experiment_id", "config");

  private VariantListConfig() {}

  /** Whether an element may give the column. */
  static boolean isOfElements(String column) {
    return !OF_THE_ROW.contains(column);
  }

  /**
   * The binding of the rows that hold the lists, whose table {@link #within} sets.
   *
   * @param elements how an element is read
   */
  static TableBinding binding(Section section, TableBinding elements) {
    if (!section.isEmpty("table")) {
      section.error(
          "table",
          "stands beside column.",
          "Remove it: column is one of the table of experiments.");
    }
    String path = section.optional("path", text());
    List<String> keys = path == null ? List.of() : DottedName.parse(path);
    if (keys == null) {
      section.error(
          "path", "\"" + path + "\" is not a path.", "Write the keys with dots between them.");
      keys = List.of();
    }
    String column = section.optional("column", text());
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    for (String name : List.of("key", "name", "allocation_pct", "is_control")) {
      columns.put(name, ColumnBinding.of(new Origin.Constant("0")));
    }
    for (String name : List.of("created_at", "updated_at")) {
      columns.put(name, ColumnBinding.of(TableConfig.LONG_AGO));
    }
    String named = column == null ? "" : column;
    Origin list = keys.isEmpty() ? new Origin.Column(named) : new Origin.JsonPath(named, keys);
    columns.put("config", ColumnBinding.of(list));
    return elements.holding(columns);
  }

  /** The number of the experiment whose row holds the element. */
  static ColumnBinding experiment() {
    return ColumnBinding.of(
        new Origin.Number(
            SourceTable.EXPERIMENTS, new Origin.Column(TableBinding.EXPERIMENT), true));
  }

  /** The tables, with the lists in the rows of experiments. */
  static void within(List<TableBinding> tables) {
    tables.stream()
        .filter(table -> table.entry().equals(SourceTable.EXPERIMENTS.tableName()))
        .findFirst()
        .ifPresent(
            experiments ->
                tables.replaceAll(
                    table -> table.elements() == null ? table : table.heldBy(experiments)));
  }
}
