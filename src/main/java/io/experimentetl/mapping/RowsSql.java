package io.experimentetl.mapping;

import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The rows of one kind in PostgreSQL's SQL, from all tables of the source that give them.
 *
 * @param table the kind
 * @param parts one for each binding; empty: the platform has no such table
 */
public record RowsSql(SourceTable table, List<TableSql> parts) {

  public RowsSql {
    parts = List.copyOf(parts);
  }

  /** Whether our name of the table is the table: see {@link TableSql#isPlain}. */
  public boolean isPlain() {
    return parts.size() == 1 && parts.get(0).isPlain();
  }

  /** Whether a table has what our column is read from. */
  public boolean has(SourceColumn<?> column) {
    return parts.stream().anyMatch(part -> part.has(column));
  }

  /** Whether the values come from a column of type {@code numeric}. */
  public boolean isNumeric(SourceColumn<?> column) {
    return parts.stream().anyMatch(part -> part.isNumeric(column));
  }

  /** The source's columns that our column is read from, for people. */
  public String nameOf(SourceColumn<?> column) {
    return parts.stream()
        .filter(part -> part.has(column))
        .map(part -> part.binding().nameOf(column))
        .distinct()
        .collect(Collectors.joining(" and "));
  }

  /** The columns that a binding names for our column and its table does not have. */
  public List<String> missing(SourceColumn<?> column) {
    return parts.stream()
        .flatMap(
            part ->
                part.missing(column).stream()
                    .map(name -> part.binding().readableName() + "." + name))
        .toList();
  }

  /**
   * An entry of a WITH list that gives the rows our name of the table; empty: the table has it.
   *
   * @param forFigures see {@link TableSql#select}
   */
  public Optional<String> entry(boolean forFigures) {
    // NOT MATERIALIZED: the conditions of the query reach the table, and its partitions.
    return isPlain()
        ? Optional.empty()
        : Optional.of(
            "%s AS NOT MATERIALIZED (%s)".formatted(table.tableName(), select(forFigures)));
  }

  private String select(boolean forFigures) {
    if (parts.isEmpty()) {
      return TableSql.selectNone(table);
    }
    return parts.stream()
        .map(part -> part.select(forFigures))
        .collect(Collectors.joining(" UNION ALL "));
  }
}
