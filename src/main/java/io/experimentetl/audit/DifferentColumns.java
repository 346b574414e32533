package io.experimentetl.audit;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** Adds the differing columns, with both values, to the first differing rows. */
final class DifferentColumns {
  private static final int MAX_ROWS = 200;

  private final AuditedTable table;
  private final ComparedColumns compared;
  private final List<String> names;

  /** Row key to the index of its observation. */
  private final Map<String, Integer> rows = new HashMap<>();

  DifferentColumns(AuditedTable table, ComparedColumns compared) {
    this.table = table;
    this.compared = compared;
    this.names = compared.all().stream().map(AuditedColumn::warehouse).toList();
  }

  /** Notes a differing row. */
  void note(String key, int observation) {
    if (rows.size() < MAX_ROWS) {
      rows.put(key, observation);
    }
  }

  void addTo(TableDays found, AuditSettings settings, SourceSnapshot source, Warehouse warehouse) {
    if (rows.isEmpty()) {
      return;
    }
    Map<String, List<String>> inSource = new HashMap<>();
    source.readRows(
        settings,
        PostgresRows.of(settings, table, source).values(rows.keySet()),
        row -> inSource.put(row.getString(1), values(row)));
    warehouse.read(
        new ClickHouseRows(table, compared).values(rows.keySet()),
        row -> {
          String key = row.getString(1);
          if (inSource.containsKey(key) && rows.containsKey(key)) {
            String columns = differences(inSource.get(key), values(row));
            if (!columns.isEmpty()) {
              found.append(rows.get(key), ": " + columns);
            }
          }
        });
  }

  private List<String> values(ResultSet row) throws SQLException {
    List<String> values = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      values.add(row.getString(2 + i));
    }
    return values;
  }

  private String differences(List<String> inSource, List<String> inWarehouse) {
    StringJoiner columns = new StringJoiner("; ");
    for (int i = 0; i < names.size(); i++) {
      if (!inWarehouse.get(i).equals(inSource.get(i))) {
        columns.add(
            "%s is %s, in PostgreSQL %s%s"
                .formatted(
                    names.get(i),
                    EnrichmentComparison.shortened(inWarehouse.get(i)),
                    origin(compared.all().get(i)),
                    EnrichmentComparison.shortened(inSource.get(i))));
      }
    }
    return columns.toString();
  }

  /** The source's own name of a column, where it has another one. */
  private static String origin(AuditedColumn column) {
    return column.shownAs().equals(column.source()) ? "" : "(" + column.shownAs() + ") ";
  }
}
