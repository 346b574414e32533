package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.SqlNames;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The lookups of a replicated table that rewrite, recomputed in PostgreSQL. What the others have
 * looked up depends on when a row was changed, and is not compared.
 */
final class LookedUpColumns {
  /**
   * A column in PostgreSQL's SQL.
   *
   * @param value in its own type
   * @param text as the job reads it
   */
  record Expression(String value, String text) {}

  private final ReplicatedTable table;
  private final List<ReplicatedTable> tables;
  private final List<String> joins = new ArrayList<>();
  private final Map<String, Expression> expressions = new HashMap<>();
  private final Map<String, Lookup> lookups = new HashMap<>();

  /**
   * Reads nothing.
   *
   * @param own the table's columns
   * @param sqlOf another table's columns, as they are now
   */
  LookedUpColumns(
      ReplicatedTable table,
      List<ReplicatedTable> tables,
      SourceMapping mapping,
      TableSql own,
      Function<TableBinding, TableSql> sqlOf) {
    this.table = table;
    this.tables = tables;
    for (Lookup lookup : table.lookups()) {
      if (lookup.rewrite()) {
        join(lookup, own, sqlOf.apply(bindingOf(lookup, mapping)));
      }
    }
  }

  private TableBinding bindingOf(Lookup lookup, SourceMapping mapping) {
    return lookup.isOfUsers()
        ? mapping.of(SourceTable.USERS).get(0)
        : mapping.entry(target(lookup).path());
  }

  private ReplicatedTable target(Lookup lookup) {
    return tables.stream()
        .filter(other -> other.name().equals(lookup.target()))
        .findFirst()
        .orElseThrow();
  }

  /** None of its names is a column of the table itself. */
  private void join(Lookup lookup, TableSql own, TableSql other) {
    String prefix = "etl_lookup_" + joins.size();
    List<String> selected = new ArrayList<>();
    List<String> conditions = new ArrayList<>();
    for (int i = 0; i < lookup.on().size(); i++) {
      String key = prefix + "_key_" + i;
      selected.add(of(lookup, lookup.key().get(i), other).text() + " AS " + key);
      conditions.add(key + " = " + own.text(lookup.reference().get(i)));
    }
    for (int i = 0; i < lookup.columns().size(); i++) {
      Expression expression = of(lookup, lookup.lookedUp().get(i), other);
      Expression named = new Expression(prefix + "_value_" + i, prefix + "_text_" + i);
      selected.add(expression.value() + " AS " + named.value());
      selected.add(expression.text() + " AS " + named.text());
      expressions.put(lookup.added().get(i), named);
      lookups.put(lookup.added().get(i), lookup);
    }
    joins.add(
        " LEFT JOIN (SELECT %s FROM %s WHERE %s) %s ON %s"
            .formatted(
                String.join(", ", selected),
                other.name(),
                other.where(),
                prefix,
                String.join(" AND ", conditions)));
  }

  private static Expression of(Lookup lookup, String column, TableSql other) {
    if (!lookup.isOfUsers()) {
      return new Expression(SqlNames.quoted(column), other.text(column));
    }
    String value = "(" + other.value(UserRow.COLUMNS.named(column)) + ")";
    return new Expression(value, value + "::text");
  }

  /** Whether the column can be compared. */
  boolean isCompared(String column) {
    return table.lookupOf(column).map(Lookup::rewrite).orElse(true);
  }

  /** What follows the table's name in PostgreSQL's SQL. */
  String joins() {
    return String.join("", joins);
  }

  /** A looked-up column in PostgreSQL's SQL; null: the column is the table's own. */
  Expression inPostgres(String column) {
    return expressions.get(column);
  }

  /**
   * A column's text in ClickHouse's SQL. What a row names that only retention has deleted is NULL
   * in PostgreSQL, and stays in ClickHouse.
   */
  String inClickHouse(String column, String text) {
    Lookup lookup = lookups.get(column);
    if (lookup == null || lookup.isOfUsers()) {
      return text;
    }
    return "if(ifNull((%s) IN (SELECT %s FROM %s FINAL WHERE _delete_reason = '%s'), 0), NULL, %s)"
        .formatted(
            texts(lookup.reference()),
            texts(lookup.key()),
            ClickHouseReader.quoted(lookup.target()),
            RowVersion.RETENTION,
            text);
  }

  private static String texts(List<String> columns) {
    return columns.stream()
        .map(column -> "toString(" + ClickHouseReader.quoted(column) + ")")
        .collect(Collectors.joining(", "));
  }
}
