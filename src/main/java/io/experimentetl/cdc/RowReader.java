package io.experimentetl.cdc;

import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.warehouse.WarehouseRange;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Reads rows of one table. Whatever a row holds, the answer is a row: at worst an {@link
 * UnreadableRow}.
 *
 * @param <R> a row as it was sent
 */
abstract class RowReader<R> {

  /** What Debezium sends for a large value that an update left alone. */
  private static final String UNAVAILABLE = "__debezium_unavailable_value";

  /** What a number in a column of a time counts. */
  enum Unit {
    AS_SENT,
    MILLIS,
    MICROS,
    NANOS
  }

  /** Each table's columns with their types, in the order of {@link #columnNames}. */
  static final Map<SourceTable, Map<String, ColumnType>> COLUMNS = columns();

  private final SourceTable table;
  private final String[] columns;

  /** Of so many columns from the first on a value that is missing makes the row unreadable. */
  private int required;

  RowReader(SourceTable table) {
    this.table = table;
    columns = columnNames(table);
    required = columns.length;
  }

  /** A column's value: a String, Long, Integer, Short, Boolean or null, or what can't be read. */
  abstract Object sent(R row, int index);

  /** Whether the row has the column at all. */
  abstract boolean has(R row, int index);

  abstract Unit unit(int index);

  static String[] columnNames(SourceTable table) {
    return switch (table) {
      case EXPERIMENTS ->
          new String[] {
            "id",
            "key",
            "name",
            "description",
            "status",
            "seed",
            "version",
            "config",
            "starts_at",
            "ends_at",
            "created_at",
            "updated_at"
          };
      case VARIANTS ->
          new String[] {
            "id",
            "experiment_id",
            "key",
            "name",
            "description",
            "allocation_pct",
            "is_control",
            "config",
            "created_at",
            "updated_at"
          };
      case USERS ->
          new String[] {
            "user_id", "email", "name", "properties", "is_active", "created_at", "updated_at"
          };
      case ASSIGNMENTS ->
          new String[] {
            "id",
            "experiment_id",
            "user_id",
            "variant_id",
            "version",
            "source",
            "context",
            "assigned_at",
            "enrolled_at",
            "created_at",
            "updated_at"
          };
      case EVENTS ->
          new String[] {
            "id",
            "timestamp",
            "experiment_id",
            "user_id",
            "variant_id",
            "event_type",
            "assignment_at",
            "properties",
            "session_id",
            "request_id"
          };
      case OUTBOX_EVENTS ->
          new String[] {
            "id",
            "aggregate_id",
            "aggregate_type",
            "event_type",
            "payload",
            "created_at",
            "processed_at"
          };
      case ETL_HEARTBEAT -> new String[] {"writer", "beat_at"};
    };
  }

  private static Map<SourceTable, Map<String, ColumnType>> columns() {
    Map<SourceTable, Map<String, ColumnType>> all = new EnumMap<>(SourceTable.class);
    for (SourceTable table : SourceTable.values()) {
      Map<String, ColumnType> ofTable = new LinkedHashMap<>();
      for (String column : columnNames(table)) {
        ofTable.put(column, ColumnType.of(table, column));
      }
      all.put(table, Collections.unmodifiableMap(ofTable));
    }
    return Collections.unmodifiableMap(all);
  }

  /** How many columns, from the first on, say which row of the warehouse a row is. */
  private static int keyColumns(SourceTable table) {
    return switch (table) {
      case EVENTS -> 4;
      case ASSIGNMENTS -> 3;
      case VARIANTS -> 2;
      case EXPERIMENTS, USERS, OUTBOX_EVENTS, ETL_HEARTBEAT -> 1;
    };
  }

  /**
   * A row as it was before it was changed or deleted. It says which row that is; whatever else it
   * lacks is empty, 0, or the time {@link Long#MAX_VALUE}.
   */
  final SourceRow readOld(R row) {
    required = keyColumns(table);
    try {
      return read(row, null);
    } finally {
      required = columns.length;
    }
  }

  /**
   * @param before the same row before an update, or null: what an update left alone is taken from
   *     it where it isn't sent
   */
  final SourceRow read(R row, R before) {
    try {
      return switch (table) {
        case EXPERIMENTS ->
            new ExperimentRow(
                integer(row, before, 0),
                text(row, before, 1),
                text(row, before, 2),
                textOrNull(row, before, 3),
                text(row, before, 4),
                textOrNull(row, before, 5),
                smallInteger(row, before, 6),
                textOrNull(row, before, 7),
                microsOrNull(row, before, 8),
                microsOrNull(row, before, 9),
                micros(row, before, 10),
                micros(row, before, 11));
        case VARIANTS ->
            new VariantRow(
                integer(row, before, 0),
                integer(row, before, 1),
                text(row, before, 2),
                text(row, before, 3),
                textOrNull(row, before, 4),
                smallInteger(row, before, 5),
                bool(row, before, 6),
                textOrNull(row, before, 7),
                micros(row, before, 8),
                micros(row, before, 9));
        case USERS ->
            new UserRow(
                text(row, before, 0),
                textOrNull(row, before, 1),
                textOrNull(row, before, 2),
                textOrNull(row, before, 3),
                bool(row, before, 4),
                micros(row, before, 5),
                micros(row, before, 6));
        case ASSIGNMENTS ->
            new AssignmentRow(
                integer(row, before, 0),
                integer(row, before, 1),
                text(row, before, 2),
                integer(row, before, 3),
                smallInteger(row, before, 4),
                text(row, before, 5),
                textOrNull(row, before, 6),
                micros(row, before, 7),
                microsOrNull(row, before, 8),
                micros(row, before, 9),
                micros(row, before, 10));
        case EVENTS ->
            new EventRow(
                EventId.of(text(row, before, 0)),
                micros(row, before, 1),
                integer(row, before, 2),
                text(row, before, 3),
                integerOrNull(row, before, 4),
                text(row, before, 5),
                microsOrNull(row, before, 6),
                textOrNull(row, before, 7),
                textOrNull(row, before, 8),
                textOrNull(row, before, 9));
        case OUTBOX_EVENTS ->
            new OutboxRow(
                integer(row, before, 0),
                text(row, before, 1),
                text(row, before, 2),
                text(row, before, 3),
                text(row, before, 4),
                micros(row, before, 5),
                microsOrNull(row, before, 6));
        case ETL_HEARTBEAT -> new HeartbeatRow(text(row, before, 0), micros(row, before, 1));
      };
    } catch (UnreadableColumnException e) {
      EventId eventId = eventId(row);
      return new UnreadableRow(
          table, subject(row, eventId), eventId, e.code, e.column, e.getMessage());
    }
  }

  private Subject subject(R row, EventId eventId) {
    return table == SourceTable.EVENTS
        ? Subject.unreadableEvent(eventId, keyTime(sent(row, 1)))
        : Subject.row(table, readable(String.valueOf(sent(row, 0))));
  }

  /** Null where the row is not an event, or its id is NULL. */
  private EventId eventId(R row) {
    Object first = table == SourceTable.EVENTS ? sent(row, 0) : null;
    return first == null ? null : EventId.of(readable(first.toString()));
  }

  /** A finding holds the text: half of a surrogate pair becomes a question mark. */
  private static String readable(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  /**
   * In microseconds, as every subject of a finding names an event; as it was sent where it can't be
   * read.
   */
  private Object keyTime(Object sent) {
    try {
      return micros(sent, 1);
    } catch (UnreadableColumnException unreadable) {
      return readable(String.valueOf(sent));
    }
  }

  private Object value(R row, R before, int index) {
    Object value = sent(row, index);
    if (UNAVAILABLE.equals(value)) {
      value = before == null ? null : sent(before, index);
      if (index >= required) {
        return null;
      }
      if (value == null || UNAVAILABLE.equals(value)) {
        throw new UnreadableColumnException(
            FindingCode.S_UNPARSEABLE,
            columns[index],
            "PostgreSQL did not send the large unchanged value of "
                + columns[index]
                + ": the table "
                + table.tableName()
                + " needs REPLICA IDENTITY FULL (sql/postgres/002_etl.sql).");
      }
    }
    return value;
  }

  /** Null only of an old row. */
  private Object present(R row, R before, int index) {
    Object value = value(row, before, index);
    if (value == null && index < required) {
      String column = columns[index];
      throw new UnreadableColumnException(
          FindingCode.S_NULL_REQUIRED,
          column,
          !has(row, index)
              ? "The table "
                  + table.tableName()
                  + " has no column "
                  + column
                  + ", or its old row was not sent: it needs REPLICA IDENTITY FULL (sql/postgres/002_etl.sql)."
              : "The column " + column + " is NULL.");
    }
    return value;
  }

  private String text(R row, R before, int index) {
    Object value = present(row, before, index);
    return value == null ? "" : text(value, index);
  }

  private String textOrNull(R row, R before, int index) {
    Object value = value(row, before, index);
    return value == null ? null : text(value, index);
  }

  private String text(Object value, int index) {
    if (value instanceof String string) {
      return string;
    }
    String text = String.valueOf(value);
    if (!RowBinaryWriter.fitsString(text)) {
      throw wrongType(index, "a text in Unicode");
    }
    return text;
  }

  private long integer(R row, R before, int index) {
    Object value = present(row, before, index);
    return value == null ? 0 : integer(value, index);
  }

  private Long integerOrNull(R row, R before, int index) {
    Object value = value(row, before, index);
    return value == null || value instanceof Long ? (Long) value : (Long) integer(value, index);
  }

  private long integer(Object value, int index) {
    if (value instanceof Long number) {
      return number;
    }
    if (value instanceof Integer || value instanceof Short) {
      return ((Number) value).longValue();
    }
    throw wrongType(index, "an integer");
  }

  private int smallInteger(R row, R before, int index) {
    long value = integer(row, before, index);
    if (value != (int) value) {
      throw wrongType(index, "an integer of 32 bits");
    }
    return (int) value;
  }

  private boolean bool(R row, R before, int index) {
    Object present = present(row, before, index);
    if (present instanceof Boolean value) {
      return value;
    }
    if (present == null) {
      return false;
    }
    throw wrongType(index, "a boolean");
  }

  private long micros(R row, R before, int index) {
    Object value = present(row, before, index);
    return value == null ? Long.MAX_VALUE : micros(value, index);
  }

  private Long microsOrNull(R row, R before, int index) {
    Object value = value(row, before, index);
    return value == null ? null : (Long) micros(value, index);
  }

  private long micros(Object value, int index) {
    try {
      if (value instanceof String string) {
        return Timestamps.microsOfIso(string);
      }
      if (value instanceof Long number) {
        switch (unit(index)) {
          case MILLIS:
            return Math.multiplyExact(number, 1000L);
          case MICROS:
            if (!endsInWarehouse() && (number == Long.MAX_VALUE || number == Long.MIN_VALUE)) {
              throw new ArithmeticException("infinity");
            }
            return number;
          case NANOS:
            return Math.floorDiv(number, 1000L);
          case AS_SENT:
            break;
        }
      }
    } catch (RuntimeException e) {
      throw wrongType(index, "a timestamp between the years -290000 and 290000");
    }
    throw wrongType(index, "a timestamp");
  }

  /** Of those tables {@link WarehouseRange} says which times are too far away. */
  private boolean endsInWarehouse() {
    return table != SourceTable.OUTBOX_EVENTS && table != SourceTable.ETL_HEARTBEAT;
  }

  private UnreadableColumnException wrongType(int index, String expected) {
    String column = columns[index];
    return new UnreadableColumnException(
        FindingCode.S_UNPARSEABLE, column, "The column " + column + " is not " + expected + ".");
  }

  /** Control flow inside this class: a bad row is data, not an error. */
  private static final class UnreadableColumnException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final FindingCode code;
    private final String column;

    private UnreadableColumnException(FindingCode code, String column, String reason) {
      super(reason, null, false, false);
      this.code = code;
      this.column = column;
    }
  }
}
