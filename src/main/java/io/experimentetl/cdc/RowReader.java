package io.experimentetl.cdc;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import io.experimentetl.warehouse.WarehouseRange;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.UUID;

/**
 * Reads the rows of one table of the source, as its {@link TableBinding} names the columns that
 * {@link SourceTable#columns} declares. Every row that is sent gives a row: a row that cannot be
 * read gives an {@link UnreadableRow}.
 *
 * @param <R> a row as it was sent
 */
abstract class RowReader<R> {

  /** A column's value that the source has and did not send. */
  static final Object UNSENT = new Object();

  /** A column's value whose bytes are none of its type. */
  static final Object UNREADABLE =
      new Object() {
        @Override
        public String toString() {
          return "an unreadable value";
        }
      };

  /** The unit of a number in a TIMESTAMP column. */
  enum Unit {
    NONE,
    MILLIS,
    MICROS,
    NANOS
  }

  private static final int ABSENT = -1;

  private final TableBinding binding;
  private final SourceTable table;

  /** Names of the source's columns that are read; the numbers of columns are places in it. */
  private final List<String> sources;

  /** By our column: the source's column whose value it is, or ABSENT. */
  private final int[] direct;

  /** By our column: how it is computed; null: its value is a column's. */
  private final MappedColumn[] mapped;

  private final MappedColumn.MappedFilter filter;

  /** Null: no row erases its user. */
  private final MappedColumn.MappedFilter erasing;

  private final Row current = new Row();

  /** A reader; {@link #bind} completes it when it knows its columns. */
  RowReader(TableBinding binding) {
    this.binding = binding;
    this.table = binding.table();
    this.sources = List.copyOf(binding.sourceColumns());
    int columns = table.columns().all().size();
    this.direct = new int[columns];
    this.mapped = new MappedColumn[columns];
    this.filter =
        binding.where().isEmpty()
            ? null
            : new MappedColumn.MappedFilter(binding.where(), sources::indexOf);
    this.erasing =
        binding.erasedWhen() == null
            ? null
            : new MappedColumn.MappedFilter(binding.erasedWhen(), sources::indexOf);
  }

  /** Decides for each of our columns how it is read. The last step of every constructor. */
  final void bind() {
    for (SourceColumn<?> column : table.columns().all()) {
      int index = column.index();
      direct[index] = ABSENT;
      ColumnBinding bound = binding.column(column);
      Origin own = bound == null ? null : MappedColumn.ownColumn(bound.origin());
      int source = own instanceof Origin.Column plain ? sources.indexOf(plain.name()) : ABSENT;
      if (bound == null) {
        continue;
      }
      boolean isSourceId = bound.origin() instanceof Origin.SourceId;
      if (!binding.mapped() && !(bound.origin() instanceof Origin.Masked)) {
        direct[index] = source;
      } else if (!isSourceId
          && source != ABSENT
          && !isAbsent(source)
          && MappedValue.isDirect(bound, format(source), column.type())) {
        direct[index] = source;
      } else if (!isSourceId || source == ABSENT || format(source) != ValueFormat.INTEGER) {
        mapped[index] = new MappedColumn(bound, column.type(), sources::indexOf);
      }
    }
  }

  /** The names of the source's columns that are read. */
  final List<String> sources() {
    return sources;
  }

  final TableBinding binding() {
    return binding;
  }

  /** Whether not every row of the table is read. */
  final boolean isFiltered() {
    return filter != null;
  }

  /**
   * Whether the row is one of those that are read.
   *
   * @param before see {@link #read}
   */
  final MappedColumn.MappedFilter.Match match(R row, R before) {
    return filter == null
        ? MappedColumn.MappedFilter.Match.YES
        : filter.match(current.of(row, before));
  }

  /** Whether a row of the table may erase its user. */
  final boolean mayErase() {
    return erasing != null;
  }

  /**
   * Whether the row erases its user.
   *
   * @param before see {@link #read}
   */
  final boolean erases(R row, R before) {
    return erasing != null
        && erasing.match(current.of(row, before)) == MappedColumn.MappedFilter.Match.YES;
  }

  /** Whether the table has all that our column is computed from. */
  final boolean hasColumn(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    return bound == null
        || bound.absent() != null
        || bound.origin().columns().stream().noneMatch(source -> isAbsent(sources.indexOf(source)));
  }

  /** The source's columns that our key columns are computed from. */
  final int[] keySources() {
    return table.columns().all().stream()
        .filter(SourceColumn::isKey)
        .map(binding::column)
        .filter(Objects::nonNull)
        .flatMap(column -> column.origin().columns().stream())
        .distinct()
        .mapToInt(sources::indexOf)
        .toArray();
  }

  /** The columns of the source's row that is read. */
  private final class Row implements MappedColumn.SourceValues {
    private R row;
    private R before;

    private Row of(R newRow, R newBefore) {
      row = newRow;
      before = newBefore;
      return this;
    }

    @Override
    public Object of(int source) {
      return sent(row, before, source);
    }

    @Override
    public boolean has(int source) {
      return !isAbsent(source) && RowReader.this.has(row, source);
    }

    @Override
    public ValueFormat format(int source) {
      return RowReader.this.format(source);
    }
  }

  private Object sent(R row, R before, SourceColumn<?> column) {
    MappedColumn computed = mapped[column.index()];
    if (computed != null) {
      return computed.value(current.of(row, before));
    }
    int source = direct[column.index()];
    return source == ABSENT ? null : sent(row, before, source);
  }

  /**
   * A value of the source, in the new row of an update or in any other row. A large value that the
   * update did not change is not sent, and is taken from the old row.
   *
   * @param before the same row before the update, or null
   * @param source place in {@link #sources}
   * @return {@link #UNSENT}, a String, Long, Integer, Short, Double, Boolean, UUID, {@link
   *     ValueFormat.Micros} or null; {@link #UNREADABLE}, or an object of another type that cannot
   *     be read
   */
  abstract Object sent(R row, R before, int source);

  /** Whether the row has the column at all. */
  abstract boolean has(R row, int source);

  /** Whether the table has no such column. False: it has, or only a row shows it. */
  abstract boolean isAbsent(int source);

  /** The format of the column; null: not known. */
  abstract ValueFormat format(int source);

  abstract Unit unit(int source);

  /**
   * Reads the row as it was before it was changed or deleted. Only its key columns are required. A
   * missing or unsent value of another column that cannot be null is empty, 0, false, or the time
   * {@link Long#MAX_VALUE}.
   */
  final SourceRow readOld(R row) {
    return read(row, column -> valueOfOld(row, column));
  }

  /**
   * Reads a row.
   *
   * @param before the same row before an update, or null: a large value that the update did not
   *     change is not sent, and is taken from there
   */
  final SourceRow read(R row, R before) {
    String missing = missing(row, before);
    return read(
        row,
        column -> {
          if (missing != null) {
            throw UnreadableColumnException.undecided(binding, missing);
          }
          return value(row, before, column);
        });
  }

  /** A column that decides about the row, and that it does not have; null: it has all of them. */
  private String missing(R row, R before) {
    String missing = filter == null ? null : filter.missing(current.of(row, before));
    return missing == null && erasing != null ? erasing.missing(current.of(row, before)) : missing;
  }

  private SourceRow read(R row, RowColumns.Values values) {
    try {
      return table.columns().read(values);
    } catch (UnreadableColumnException e) {
      EventId eventId = eventId(row);
      return new UnreadableRow(
          table, subject(row, eventId), eventId, e.code, e.column, e.getMessage());
    }
  }

  private Subject subject(R row, EventId eventId) {
    return table == SourceTable.EVENTS
        ? Subject.unreadableEvent(eventId, keyTime(row, EventRow.COLUMNS.named("timestamp")))
        : Subject.row(table, readable(String.valueOf(known(row, table.columns().all().get(0)))));
  }

  /** Null where the row is not an event, or its id is NULL. */
  private EventId eventId(R row) {
    Object id = table == SourceTable.EVENTS ? known(row, EventRow.COLUMNS.named("id")) : null;
    if (id instanceof EventId known) {
      return known;
    }
    return id == null ? null : EventId.of(readable(id.toString()));
  }

  private Object known(R row, SourceColumn<?> column) {
    Object value = sent(row, null, column);
    return value == UNSENT ? null : value;
  }

  /** A finding holds the text: half of a surrogate pair becomes a question mark. */
  private static String readable(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  /** In microseconds, as in the subjects of all findings; as it was sent if it cannot be read. */
  private Object keyTime(R row, SourceColumn<?> column) {
    Object sent = known(row, column);
    try {
      return micros(sent, column);
    } catch (UnreadableColumnException unreadable) {
      return readable(String.valueOf(sent));
    }
  }

  private Object value(R row, R before, SourceColumn<?> column) {
    Object value = sent(row, before, column);
    if (value == UNSENT) {
      throw UnreadableColumnException.notSent(binding, column);
    }
    if (value == null) {
      if (!column.isNullable()) {
        throw missing(row, column);
      }
      return null;
    }
    return converted(value, column);
  }

  private Object valueOfOld(R row, SourceColumn<?> column) {
    Object value = sent(row, null, column);
    if (value == UNSENT) {
      if (column.isKey()) {
        throw UnreadableColumnException.onlyKeySent(binding, column);
      }
      value = null;
    }
    if (value == null) {
      if (column.isKey()) {
        throw missing(row, column);
      }
      return column.isNullable() ? null : empty(column.type());
    }
    return converted(value, column);
  }

  private static Object empty(ColumnType type) {
    return switch (type) {
      case EVENT_ID -> throw new IllegalArgumentException("an event's id is its key");
      case BIGINT -> 0L;
      case INT -> 0;
      case NUMBER -> 0.0;
      case TEXT, LABEL, JSON -> "";
      case BOOL -> false;
      case TIMESTAMP -> Long.MAX_VALUE;
    };
  }

  private Object converted(Object value, SourceColumn<?> column) {
    return switch (column.type()) {
      case EVENT_ID -> eventId(value, column);
      case BIGINT -> bigint(value, column);
      case INT -> integer(value, column);
      case NUMBER -> number(value, column);
      case TEXT, LABEL, JSON -> text(value, column);
      case BOOL -> bool(value, column);
      case TIMESTAMP -> micros(value, column);
    };
  }

  private EventId eventId(Object value, SourceColumn<?> column) {
    if (value instanceof EventId known) {
      return known;
    }
    return value instanceof UUID uuid ? EventId.of(uuid, null) : EventId.of(text(value, column));
  }

  private String text(Object value, SourceColumn<?> column) {
    if (value instanceof String string) {
      return string;
    }
    String text = String.valueOf(value);
    if (value == UNREADABLE || !NativeWriter.fitsString(text)) {
      throw UnreadableColumnException.wrongType(binding, column, "a text in Unicode");
    }
    return text;
  }

  private Long bigint(Object value, SourceColumn<?> column) {
    if (value instanceof Long number) {
      return number;
    }
    if (value instanceof Integer || value instanceof Short) {
      return ((Number) value).longValue();
    }
    throw UnreadableColumnException.wrongType(binding, column, "an integer");
  }

  private int integer(Object value, SourceColumn<?> column) {
    long number = bigint(value, column);
    if (number != (int) number) {
      throw UnreadableColumnException.wrongType(binding, column, "an integer of 32 bits");
    }
    return (int) number;
  }

  /** An exact numeric arrives as a number or, to keep its digits, as a text. */
  private Double number(Object value, SourceColumn<?> column) {
    try {
      double number =
          value instanceof Double exact
              ? exact
              : new BigDecimal(String.valueOf(value)).doubleValue();
      if (Double.isFinite(number)) {
        return number;
      }
    } catch (NumberFormatException notANumber) {
      throw UnreadableColumnException.wrongType(binding, column, "a number");
    }
    throw UnreadableColumnException.wrongType(binding, column, "a number");
  }

  private Boolean bool(Object value, SourceColumn<?> column) {
    if (value instanceof Boolean bool) {
      return bool;
    }
    throw UnreadableColumnException.wrongType(binding, column, "a boolean");
  }

  /**
   * Microseconds since 1970 in UTC. A time of a warehouse's row that is not of its key is the
   * nearest that ClickHouse can hold; infinity is {@link Long#MAX_VALUE} or {@link Long#MIN_VALUE}.
   */
  private long micros(Object value, SourceColumn<?> column) {
    long micros = microsSent(value, column);
    if (WarehouseRange.isWritten(table)) {
      return column.isKey() ? micros : WarehouseRange.nearest(micros);
    }
    if (micros == Long.MAX_VALUE || micros == Long.MIN_VALUE) {
      throw UnreadableColumnException.wrongType(
          binding, column, "a timestamp between the years -290000 and 290000");
    }
    return micros;
  }

  private long microsSent(Object value, SourceColumn<?> column) {
    try {
      if (value instanceof ValueFormat.Micros micros) {
        return micros.since1970();
      }
      if (value instanceof String string) {
        return Timestamps.microsOfIso(string);
      }
      if (value instanceof Long number) {
        switch (unit(direct[column.index()])) {
          case MILLIS:
            return Math.multiplyExact(number, 1000L);
          case MICROS:
            return number;
          case NANOS:
            return Math.floorDiv(number, 1000L);
          case NONE:
            break;
        }
      }
    } catch (RuntimeException e) {
      throw UnreadableColumnException.wrongType(
          binding, column, "a timestamp between the years -290000 and 290000");
    }
    throw UnreadableColumnException.wrongType(binding, column, "a timestamp");
  }

  /** How to make PostgreSQL send whole rows of the table. */
  static String remedy(TableBinding table) {
    return "ALTER TABLE "
        + table.readableName()
        + " REPLICA IDENTITY FULL, also on each of its partitions (sql/postgres/002_etl.sql does both); then resync.";
  }

  private UnreadableColumnException missing(R row, SourceColumn<?> column) {
    return new UnreadableColumnException(
        FindingCode.S_NULL_REQUIRED,
        binding.nameOf(column),
        has(row, column)
            ? "The column " + binding.nameOf(column) + " is NULL."
            : "The table "
                + binding.readableName()
                + " has no column "
                + binding.nameOf(column)
                + ".");
  }

  private boolean has(R row, SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    return bound != null
        && bound.origin().columns().stream()
            .allMatch(name -> current.of(row, null).has(sources.indexOf(name)));
  }
}
