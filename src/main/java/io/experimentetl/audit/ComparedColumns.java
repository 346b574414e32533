package io.experimentetl.audit;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The columns of a table that are compared. A column that PostgreSQL's table does not have, and
 * that the job reads as NULL then, is skipped: ClickHouse still has the values from before it was
 * dropped.
 *
 * @param all the columns to compare, in the order of their declaration
 * @param missing the names of the skipped columns
 * @param standIns definitions of the missing columns as NULL, in PostgreSQL's SQL
 */
record ComparedColumns(List<AuditedColumn> all, List<String> missing, List<String> standIns) {

  /** Every declared column, if PostgreSQL's catalogue is not asked. */
  static ComparedColumns declared(AuditedTable table) {
    return new ComparedColumns(table.columns(), List.of(), List.of());
  }

  /**
   * The columns of a table in PostgreSQL.
   *
   * @param present the names of its columns, and whether the column is of type {@code numeric}
   */
  static ComparedColumns of(SourceTable table, Map<String, Boolean> present) {
    List<AuditedColumn> all = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    List<String> standIns = new ArrayList<>();
    for (SourceColumn<?> column : table.columns().all()) {
      if (present.containsKey(column.name())) {
        all.add(AuditedColumn.of(column, present.get(column.name())));
      } else {
        standIns.add(
            "NULL::%s AS %s"
                .formatted(postgresType(column.type()), PostgresRows.quoted(column.name())));
        if (column.isNullable()) {
          missing.add(column.name());
        } else {
          all.add(AuditedColumn.absent(column));
        }
      }
    }
    return new ComparedColumns(all, missing, standIns);
  }

  private static String postgresType(ColumnType type) {
    return switch (type) {
      case BIGINT -> "bigint";
      case INT -> "integer";
      case NUMBER -> "numeric";
      case EVENT_ID, TEXT, LABEL -> "text";
      case BOOL -> "boolean";
      case JSON -> "jsonb";
      case TIMESTAMP -> "timestamptz";
    };
  }

  /** The table with its missing columns as NULL, as an entry of a WITH list. */
  String standIn(AuditedTable table) {
    return "%1$s AS (SELECT t.*, %2$s FROM %1$s AS t)"
        .formatted(table.sourceTable(), String.join(", ", standIns));
  }

  String postgresTexts(boolean utf8) {
    return all.stream().map(column -> column.postgresText(utf8)).collect(Collectors.joining(", "));
  }

  String clickhouseTexts() {
    return all.stream().map(AuditedColumn::clickhouseText).collect(Collectors.joining(", "));
  }
}
