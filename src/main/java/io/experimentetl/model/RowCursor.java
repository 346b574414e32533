package io.experimentetl.model;

import java.util.List;

/**
 * A row's values by column name. A row reads all its columns in the order of their declaration, so
 * that it can be read from a stream of values without a look-up by name.
 */
public final class RowCursor {
  private final List<? extends SourceColumn<?>> columns;
  private final RowColumns.Values values;
  private int next;

  RowCursor(List<? extends SourceColumn<?>> columns, RowColumns.Values values) {
    this.columns = columns;
    this.values = values;
  }

  public EventId eventId(String column) {
    return (EventId) next(column);
  }

  /** The text of a TEXT, LABEL or JSON column, or null. */
  public String text(String column) {
    return (String) next(column);
  }

  public long bigint(String column) {
    return (Long) next(column);
  }

  public Long bigintOrNull(String column) {
    return (Long) next(column);
  }

  public int integer(String column) {
    return (Integer) next(column);
  }

  public double number(String column) {
    return (Double) next(column);
  }

  public boolean bool(String column) {
    return (Boolean) next(column);
  }

  /** Microseconds since 1970 in UTC. */
  public long micros(String column) {
    return (Long) next(column);
  }

  /** Microseconds since 1970 in UTC, or null. */
  public Long microsOrNull(String column) {
    return (Long) next(column);
  }

  private Object next(String name) {
    SourceColumn<?> column = columns.get(next++);
    if (!column.name().equals(name)) {
      throw new IllegalStateException(
          "The row reads column %s where its declaration has %s: read the columns in the order of the declaration."
              .formatted(name, column.name()));
    }
    return values.of(column);
  }
}
