package io.experimentetl.mapping;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Rows that the configuration declares, as a table in PostgreSQL's SQL. */
public final class DeclaredSql {

  /** The transaction that wrote them: one that is visible to everybody, as are frozen rows. */
  private static final String FROZEN = "'2'::xid";

  private DeclaredSql() {}

  /**
   * The rows of one kind.
   *
   * @param rows at least one
   */
  public static TableSql of(SourceTable table, List<? extends SourceRow> rows, String schema) {
    List<SourceColumn<SourceRow>> columns = columns(table);
    Map<String, String> types = new LinkedHashMap<>();
    columns.forEach(column -> types.put(column.name(), type(column.type())));
    String values =
        rows.stream()
            .map(
                row ->
                    columns.stream()
                        .map(column -> value(column.of(row), types.get(column.name())))
                        .collect(Collectors.joining(", ", "(", ")")))
            .collect(Collectors.joining(", "));
    String names =
        columns.stream()
            .map(column -> SqlNames.quoted(column.name()))
            .collect(Collectors.joining(", "));
    String from =
        "(SELECT %s AS xmin, etl_values.* FROM (VALUES %s) etl_values (%s)) etl_declared"
            .formatted(FROZEN, values, names);
    TableBinding binding = TableBinding.defaults(table, schema);
    return new TableSql(
        binding.with(SourceTable.SOURCE_ID, ColumnBinding.column(SourceTable.SOURCE_ID)),
        types,
        from);
  }

  @SuppressWarnings("unchecked")
  private static List<SourceColumn<SourceRow>> columns(SourceTable table) {
    return table.columns().all().stream().map(column -> (SourceColumn<SourceRow>) column).toList();
  }

  private static String type(ColumnType type) {
    return switch (type) {
      case BIGINT, INT -> "int8";
      case NUMBER -> "float8";
      case EVENT_ID, TEXT, LABEL -> "text";
      // The text stays as it is.
      case JSON -> "json";
      case BOOL -> "bool";
      case TIMESTAMP -> "timestamptz";
    };
  }

  private static String value(Object value, String type) {
    if (value == null) {
      return "NULL::" + type;
    }
    return type.equals("timestamptz")
        ? "TIMESTAMPTZ 'epoch' + %s * INTERVAL '1 microsecond'".formatted(value)
        : SqlNames.literal(value.toString()) + "::" + type;
  }
}
