package io.experimentetl.model;

import java.util.function.Function;

/**
 * A column of a source table. {@link RowColumns} declares the columns of a table.
 *
 * @param name the name in PostgreSQL
 * @param index the position in the declaration, from 0
 * @param use the meaning of a missing value
 * @param value reads the value from a row
 */
public record SourceColumn<R>(
    String name, ColumnType type, int index, Use use, Function<R, Object> value) {

  /** The meaning of a missing value. */
  public enum Use {
    /** Needed to find the row in the warehouse: no row is readable without a value. */
    KEY,
    /** A row without a value is unreadable. The old row of a delete may have none. */
    REQUIRED,
    /** A value may be NULL; the table must have the column. */
    NULLABLE,
    /** As NULLABLE; a table without the column is valid too. */
    OPTIONAL
  }

  public boolean isKey() {
    return use == Use.KEY;
  }

  /** Whether a row may have no value. */
  public boolean isNullable() {
    return use == Use.NULLABLE || use == Use.OPTIONAL;
  }

  /** Whether a table may have no such column. */
  public boolean isOptional() {
    return use == Use.OPTIONAL;
  }

  public Object of(R row) {
    return value.apply(row);
  }
}
