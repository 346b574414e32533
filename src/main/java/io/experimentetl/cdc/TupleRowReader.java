package io.experimentetl.cdc;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.Tuple;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Reads the rows of the replication stream, of one table in one version of its columns. The columns
 * are looked up once per version, and only those that are declared are decoded.
 */
final class TupleRowReader extends RowReader<Tuple> {
  private static final int ABSENT = -1;

  private final int[] places;
  private final int[] key;
  private final ValueFormat[] formats;
  private String columnWithoutBinaryForm;

  /**
   * Binds the columns of a table.
   *
   * @param formats by a type's OID; null: the catalogue no longer has the type
   */
  TupleRowReader(SourceTable table, Relation relation, IntFunction<ValueFormat> formats) {
    super(table);
    List<? extends SourceColumn<?>> columns = table.columns().all();
    places = new int[columns.size()];
    this.formats = new ValueFormat[columns.size()];
    for (SourceColumn<?> column : columns) {
      int place = placeOf(column.name(), relation);
      places[column.index()] = place;
      if (place != ABSENT) {
        ValueFormat format = formats.apply(relation.columns().get(place).type());
        this.formats[column.index()] = format == null ? declared(column.type()) : format;
        // The bytes of a type that is gone could be read as those of another.
        if (columnWithoutBinaryForm == null && (format == null || format == ValueFormat.OTHER)) {
          columnWithoutBinaryForm = column.name();
        }
      }
    }
    key =
        columns.stream()
            .filter(SourceColumn::isKey)
            .mapToInt(column -> places[column.index()])
            .toArray();
  }

  private static int placeOf(String column, Relation relation) {
    for (int i = 0; i < relation.columns().size(); i++) {
      if (relation.columns().get(i).name().equals(column)) {
        return i;
      }
    }
    return ABSENT;
  }

  /**
   * The format of a type that the catalogue no longer has: the stream names a column's type as it
   * was at the time of the change.
   */
  private static ValueFormat declared(ColumnType type) {
    return switch (type) {
      case BIGINT, INT -> ValueFormat.INTEGER;
      case NUMBER -> ValueFormat.FLOAT;
      case BOOL -> ValueFormat.BOOL;
      case TIMESTAMP -> ValueFormat.TIMESTAMPTZ;
      case EVENT_ID, TEXT, LABEL -> ValueFormat.TEXT;
      case JSON -> ValueFormat.JSONB;
    };
  }

  /** The format in which the column is sent; null: the table does not have it. */
  ValueFormat format(SourceColumn<?> column) {
    return formats[column.index()];
  }

  /** A column of which only the text can be read; null: there is none. */
  String columnWithoutBinaryForm() {
    return columnWithoutBinaryForm;
  }

  /** Whether an old row of which only the replica identity was sent has a part of the key. */
  boolean hasPartOfKey(Tuple old) {
    for (int place : key) {
      if (place != ABSENT && !old.isUnsent(place)) {
        return true;
      }
    }
    return false;
  }

  /**
   * Whether an update changed the key, as far as the old row has it. The replica identity can have
   * other columns too. A column that was not sent has not changed.
   */
  boolean isKeyChanged(Tuple old, Tuple row) {
    for (int place : key) {
      if (place != ABSENT
          && !old.isUnsent(place)
          && !row.isUnsent(place)
          && !row.hasSameValue(old, place)) {
        return true;
      }
    }
    return false;
  }

  @Override
  Object sent(Tuple row, SourceColumn<?> column) {
    int place = places[column.index()];
    if (place == ABSENT || row.isNull(place)) {
      return null;
    }
    if (row.isUnsent(place)) {
      return UNSENT;
    }
    try {
      return row.value(place, formats[column.index()]);
    } catch (IllegalArgumentException e) {
      // The row becomes a finding that names the column.
      return UNREADABLE;
    }
  }

  @Override
  Object sent(Tuple row, Tuple before, SourceColumn<?> column) {
    Object value = sent(row, column);
    return value == UNSENT && before != null ? sent(before, column) : value;
  }

  @Override
  boolean has(Tuple row, SourceColumn<?> column) {
    return places[column.index()] != ABSENT;
  }

  /** The values are times already, or none. */
  @Override
  Unit unit(SourceColumn<?> column) {
    return Unit.NONE;
  }
}
