package io.experimentetl.cdc;

import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * Reads rows of Kafka Connect's structs, of one table in one version of its schema. The fields are
 * looked up once per schema, not once per row.
 */
final class StructRowReader extends RowReader<Struct> {

  /**
   * What Debezium writes in place of a text that was not sent. No text of PostgreSQL contains the
   * character NUL, so no value can equal it.
   */
  static final String UNSENT_TEXT = "not\0sent";

  private record BoundField(Field field, boolean hasDefault, Unit unit) {}

  private static final BoundField ABSENT = new BoundField(null, false, Unit.NONE);

  private final BoundField[] fields;

  /** See {@link ReplicationMessageAdapter#SENT_COLUMNS}; null: a row of the snapshot. */
  private final Field sentColumns;

  private String lastSentNames;
  private Set<String> lastSent;

  StructRowReader(SourceTable table, Schema schema) {
    super(table);
    List<? extends SourceColumn<?>> columns = table.columns().all();
    fields = new BoundField[columns.size()];
    sentColumns = schema.field(ReplicationMessageAdapter.SENT_COLUMNS);
    for (SourceColumn<?> column : columns) {
      Field field = schema.field(column.name());
      fields[column.index()] =
          field == null
              ? ABSENT
              : new BoundField(field, field.schema().defaultValue() != null, unit(field.schema()));
    }
  }

  /** The unit of a number with that schema. */
  static Unit unit(Schema schema) {
    if (schema.name() == null) {
      return Unit.NONE;
    }
    return switch (schema.name()) {
      case "io.debezium.time.Timestamp" -> Unit.MILLIS;
      case MicrosConverter.SCHEMA -> Unit.MICROS;
      case "io.debezium.time.NanoTimestamp" -> Unit.NANOS;
      default -> Unit.NONE;
    };
  }

  @Override
  Object sent(Struct row, SourceColumn<?> column) {
    BoundField bound = fields[column.index()];
    if (bound.field == null) {
      return null;
    }
    String sentNames = sentNames(row);
    if (sentNames != null && !isSent(sentNames, column)) {
      return UNSENT;
    }
    // Struct.get returns the column's default instead of NULL.
    Object value = bound.hasDefault ? row.getWithoutDefault(column.name()) : row.get(bound.field);
    return UNSENT_TEXT.equals(value) ? UNSENT : value;
  }

  @Override
  Object sent(Struct row, Struct before, SourceColumn<?> column) {
    Object value = sent(row, column);
    return value == UNSENT && before != null ? sent(before, column) : value;
  }

  /** Whether the source sent all columns of an old row. */
  boolean isWhole(Struct old) {
    return sentNames(old) == null;
  }

  /** Null: all columns were sent. */
  private String sentNames(Struct row) {
    return sentColumns == null ? null : (String) row.get(sentColumns);
  }

  /** The names are equal for all rows of a table until its replica identity changes. */
  private boolean isSent(String sentNames, SourceColumn<?> column) {
    if (!sentNames.equals(lastSentNames)) {
      lastSentNames = sentNames;
      lastSent =
          new HashSet<>(
              Arrays.asList(
                  sentNames.split(String.valueOf(ReplicationMessageAdapter.SEPARATOR), -1)));
    }
    return lastSent.contains(column.name());
  }

  @Override
  boolean has(Struct row, SourceColumn<?> column) {
    return fields[column.index()].field != null;
  }

  @Override
  Unit unit(SourceColumn<?> column) {
    return fields[column.index()].unit;
  }
}
