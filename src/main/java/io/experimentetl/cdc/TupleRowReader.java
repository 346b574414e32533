package io.experimentetl.cdc;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.postgres.pgoutput.Relation;
import io.experimentetl.postgres.pgoutput.Tuple;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/**
 * Reads the rows of the replication stream, of one table in one version of its columns. The columns
 * are looked up once per version, and only those that are declared are decoded.
 */
final class TupleRowReader extends RowReader<Tuple> {
  private static final int ABSENT = -1;

  private final List<Relation.Column> sent;
  private final int[] places;
  private final int[] key;
  private final ListedRows listed;
  private final ValueFormat[] formats;
  private String columnWithoutBinaryForm;

  /**
   * Binds the columns of a table.
   *
   * @param formats by a type's OID; null: the catalogue no longer has the type
   */
  TupleRowReader(TableBinding binding, Relation relation, IntFunction<ValueFormat> formats) {
    super(binding.reading(relation.columns().stream().map(Relation.Column::name).toList()));
    sent = relation.columns();
    List<String> sources = sources();
    places = new int[sources.size()];
    this.formats = new ValueFormat[sources.size()];
    for (int source = 0; source < places.length; source++) {
      int place = placeOf(sources.get(source), relation);
      places[source] = place;
      if (place != ABSENT) {
        ValueFormat format = formats.apply(relation.columns().get(place).type());
        this.formats[source] = format == null ? declared(sources.get(source)) : format;
        // The bytes of a type that is gone could be read as those of another.
        if (columnWithoutBinaryForm == null && (format == null || format == ValueFormat.OTHER)) {
          columnWithoutBinaryForm = sources.get(source);
        }
      }
    }
    key = keySources();
    listed = binding.elements() == null ? null : new ListedRows(binding);
    bind();
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
  private ValueFormat declared(String source) {
    for (SourceColumn<?> column : binding().table().columns().all()) {
      ColumnBinding bound = binding().column(column);
      if (bound != null && bound.origin().equals(new Origin.Column(source))) {
        return declared(column.type());
      }
    }
    return ValueFormat.TEXT;
  }

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

  /** The format in which the column is sent; null: it is computed, or the table has none. */
  ValueFormat format(SourceColumn<?> column) {
    ColumnBinding bound = binding().column(column);
    return bound != null && bound.origin() instanceof Origin.Column plain
        ? format(sources().indexOf(plain.name()))
        : null;
  }

  /**
   * The name that a column of an earlier version has now; null: it was not renamed. A renamed
   * column keeps its place and type.
   */
  String newNameOf(SourceColumn<?> column, TupleRowReader before) {
    int source =
        binding().column(column).origin() instanceof Origin.Column plain
            ? sources().indexOf(plain.name())
            : ABSENT;
    int place = source == ABSENT ? ABSENT : before.places[source];
    if (place == ABSENT || sent.size() != before.sent.size()) {
      return null;
    }
    Relation.Column now = sent.get(place);
    return now.type() != before.sent.get(place).type() || before.sent.contains(now)
        ? null
        : now.name();
  }

  /** The rows that a row of the table lists; null: it is one row itself. */
  ListedRows listed() {
    return listed;
  }

  /** The columns that are read, and that the table does not have. */
  List<String> missing() {
    List<String> missing = new ArrayList<>();
    for (int source = 0; source < places.length; source++) {
      if (places[source] == ABSENT) {
        missing.add(sources().get(source));
      }
    }
    return missing;
  }

  /** A column of which only the text can be read; null: there is none. */
  String columnWithoutBinaryForm() {
    return columnWithoutBinaryForm;
  }

  /** Whether an old row of which only the replica identity was sent has a part of the key. */
  boolean hasPartOfKey(Tuple old) {
    for (int source : key) {
      int place = places[source];
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
    for (int source : key) {
      int place = places[source];
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
  Object sent(Tuple row, Tuple before, int source) {
    Object value = sent(row, source);
    return value == UNSENT && before != null ? sent(before, source) : value;
  }

  private Object sent(Tuple row, int source) {
    int place = places[source];
    if (place == ABSENT || row.isNull(place)) {
      return null;
    }
    if (row.isUnsent(place)) {
      return UNSENT;
    }
    try {
      return row.value(place, formats[source]);
    } catch (IllegalArgumentException e) {
      // The row becomes a finding that names the column.
      return UNREADABLE;
    }
  }

  @Override
  boolean has(Tuple row, int source) {
    return places[source] != ABSENT;
  }

  @Override
  boolean isAbsent(int source) {
    return places[source] == ABSENT;
  }

  @Override
  ValueFormat format(int source) {
    return formats[source];
  }

  /** The values are times already, or none. */
  @Override
  Unit unit(int source) {
    return Unit.NONE;
  }
}
