package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.model.DriftedColumn;
import io.experimentetl.model.SourceTable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How the tables that come differ from those that the product knows. Each difference is told once
 * by one instance; a column that may be NULL where ours must not is none. A column whose type the
 * sender can't express is left out by it: one of ours is then missing, any other is not seen.
 */
final class DriftedColumns {
  private static final Logger LOG = LoggerFactory.getLogger(DriftedColumns.class);

  /** PostgreSQL allows no table more columns; of a topic's records anything can be said. */
  static final int MOST = 1_600;

  /** PostgreSQL's names are no longer. */
  private static final int LONGEST_NAME = 63;

  private record Difference(String column, String how) {}

  private final Map<SourceTable, Set<Difference>> told = new EnumMap<>(SourceTable.class);

  /** What is new in a version of a table's schema. */
  List<DriftedColumn> of(SourceTable table, Schema row) {
    return differences(
        table,
        row.fields().stream().map(Field::name).iterator(),
        name -> row.field(name) != null,
        (type, name) -> type.fits(row.field(name).schema()));
  }

  /** What is new in a row without schema. */
  List<DriftedColumn> of(SourceTable table, JsonNode row) {
    return differences(table, row.fieldNames(), row::has, (type, name) -> type.fits(row.get(name)));
  }

  private List<DriftedColumn> differences(
      SourceTable table,
      Iterator<String> sent,
      Predicate<String> has,
      BiPredicate<ColumnType, String> fits) {
    List<DriftedColumn> found = new ArrayList<>();
    Set<String> known = RowReader.COLUMNS.get(table).keySet();
    RowReader.COLUMNS
        .get(table)
        .forEach(
            (column, type) -> {
              if (!has.test(column)) {
                add(found, table, column, "is missing: it counts as NULL");
              } else if (!fits.test(type, column)) {
                add(found, table, column, "is not " + type.noun);
              }
            });
    while (sent.hasNext()) {
      String column = sent.next();
      if (!known.contains(column)) {
        add(found, table, column, "is unknown to the product, which does not read it");
      }
    }
    return found;
  }

  private void add(List<DriftedColumn> found, SourceTable table, String column, String how) {
    Set<Difference> ofTable = told.computeIfAbsent(table, t -> new HashSet<>());
    if (ofTable.size() >= MOST) {
      return;
    }
    String marker = column.length() > LONGEST_NAME ? column.substring(0, LONGEST_NAME) : column;
    if (ofTable.add(new Difference(marker, how))) {
      // Half of a surrogate pair becomes a question mark.
      String name = new String(marker.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
      found.add(
          new DriftedColumn(
              table, name, "The column " + name + " of " + table.tableName() + " " + how + "."));
      if (ofTable.size() == MOST) {
        LOG.warn(
            "{} columns of {} differ from what the product knows (S-SCHEMA-DRIFT); more are not reported until the job starts again.",
            MOST,
            table.tableName());
      }
    }
  }
}
