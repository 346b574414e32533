package io.experimentetl.cdc;

import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * Reads the snapshot's rows, which are Kafka Connect's structs, of one table in one version of its
 * schema. The fields are looked up once per schema, not once per row.
 */
final class StructRowReader extends RowReader<Struct> {

  private record BoundField(Field field, boolean hasDefault, Unit unit) {}

  private static final BoundField ABSENT = new BoundField(null, false, Unit.NONE);

  private final BoundField[] fields;

  StructRowReader(SourceTable table, Schema schema) {
    super(table);
    List<? extends SourceColumn<?>> columns = table.columns().all();
    fields = new BoundField[columns.size()];
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
    // Struct.get returns the column's default instead of NULL.
    return bound.hasDefault ? row.getWithoutDefault(column.name()) : row.get(bound.field);
  }

  /** A row of the snapshot is whole. */
  @Override
  Object sent(Struct row, Struct before, SourceColumn<?> column) {
    return sent(row, column);
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
