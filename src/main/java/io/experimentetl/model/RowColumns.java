package io.experimentetl.model;

import io.experimentetl.model.SourceColumn.Use;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The columns of one source table, and how a row is built from their values. This is the only
 * declaration of the table: the source's readers, the preflight, the checks of the source's schema,
 * the transport between tasks, the warehouse's tables and the audit all use it.
 */
public final class RowColumns<R> {

  /** Returns a column's value in the Java type that {@link ColumnType} names; null for NULL. */
  @FunctionalInterface
  public interface Values {
    Object of(SourceColumn<?> column);
  }

  private final List<SourceColumn<R>> columns;
  private final Function<RowCursor, R> reader;

  private RowColumns(List<SourceColumn<R>> columns, Function<RowCursor, R> reader) {
    this.columns = List.copyOf(columns);
    this.reader = reader;
  }

  /** Starts a declaration; columns are declared in the order in which a row reads them. */
  static <R> Builder<R> declare() {
    return new Builder<>();
  }

  /** The columns, in the order of the declaration. */
  public List<SourceColumn<R>> all() {
    return columns;
  }

  /**
   * The column of that name.
   *
   * @throws IllegalArgumentException if there is none
   */
  public SourceColumn<R> named(String name) {
    return columns.stream()
        .filter(column -> column.name().equals(name))
        .findAny()
        .orElseThrow(() -> new IllegalArgumentException("No column " + name + " is declared."));
  }

  /** Builds a row. Reads every value once, in the order of the declaration. */
  public R read(Values values) {
    return reader.apply(new RowCursor(columns, values));
  }

  /** Builds a declaration. */
  static final class Builder<R> {
    private final List<SourceColumn<R>> columns = new ArrayList<>();

    private Builder() {}

    /** A column that is needed to find the row in the warehouse. */
    Builder<R> key(String name, ColumnType type, Function<R, Object> value) {
      return add(name, type, Use.KEY, value);
    }

    /** A column that is never NULL. */
    Builder<R> required(String name, ColumnType type, Function<R, Object> value) {
      return add(name, type, Use.REQUIRED, value);
    }

    /** A column that may be NULL. */
    Builder<R> nullable(String name, ColumnType type, Function<R, Object> value) {
      return add(name, type, Use.NULLABLE, value);
    }

    /** A column that a platform may not have: its values are NULL then. */
    Builder<R> optional(String name, ColumnType type, Function<R, Object> value) {
      return add(name, type, Use.OPTIONAL, value);
    }

    private Builder<R> add(String name, ColumnType type, Use use, Function<R, Object> value) {
      columns.add(new SourceColumn<>(name, type, columns.size(), use, value));
      return this;
    }

    RowColumns<R> read(Function<RowCursor, R> reader) {
      return new RowColumns<>(columns, reader);
    }
  }
}
