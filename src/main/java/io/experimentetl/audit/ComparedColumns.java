package io.experimentetl.audit;

import io.experimentetl.mapping.RowsSql;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The columns of a table that are compared. A column that PostgreSQL's table does not have, and
 * that the job reads as NULL then, is skipped: ClickHouse still has the values from before it was
 * dropped. So is a column that the source mapping does not name, but for {@link SourceTable#FACT},
 * which is NULL then.
 *
 * @param all the columns to compare, in the order of their declaration
 * @param missing the skipped columns that the mapping names, as the source names them
 */
record ComparedColumns(List<AuditedColumn> all, List<String> missing) {

  /** Every declared column, if PostgreSQL's catalogue is not asked. */
  static ComparedColumns declared(AuditedTable table) {
    return new ComparedColumns(table.columns(), List.of());
  }

  /** The columns of a table in PostgreSQL. */
  static ComparedColumns of(RowsSql rows) {
    List<AuditedColumn> all = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    for (SourceColumn<?> column : rows.table().columns().all()) {
      if (rows.has(column)) {
        all.add(AuditedColumn.of(column, rows.isNumeric(column), rows.nameOf(column)));
      } else if (column.isNullable() && !column.name().equals(SourceTable.FACT)) {
        missing.addAll(rows.missing(column));
      } else {
        all.add(AuditedColumn.absent(column));
      }
    }
    return new ComparedColumns(all, missing);
  }

  String postgresTexts(boolean utf8) {
    return all.stream().map(column -> column.postgresText(utf8)).collect(Collectors.joining(", "));
  }

  String clickhouseTexts() {
    return all.stream().map(AuditedColumn::clickhouseText).collect(Collectors.joining(", "));
  }
}
