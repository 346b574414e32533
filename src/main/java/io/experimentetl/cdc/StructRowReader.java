package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * Rows as Kafka Connect's structs, of one table in one version of its schema. Bound to the fields
 * once, so that a row costs no look-up by name.
 */
final class StructRowReader extends RowReader<Struct> {

  private record Column(String name, Field field, boolean hasDefault, Unit unit) {}

  private final Column[] columns;

  StructRowReader(SourceTable table, Schema schema) {
    super(table);
    String[] names = columnNames(table);
    columns = new Column[names.length];
    for (int i = 0; i < names.length; i++) {
      Field field = schema.field(names[i]);
      columns[i] =
          field == null
              ? new Column(names[i], null, false, Unit.AS_SENT)
              : new Column(
                  names[i], field, field.schema().defaultValue() != null, unit(field.schema()));
    }
  }

  /** What a number of that schema counts. */
  static Unit unit(Schema schema) {
    if (schema.name() == null) {
      return Unit.AS_SENT;
    }
    return switch (schema.name()) {
      case "io.debezium.time.Timestamp" -> Unit.MILLIS;
      case MicrosConverter.SCHEMA -> Unit.MICROS;
      case "io.debezium.time.NanoTimestamp" -> Unit.NANOS;
      default -> Unit.AS_SENT;
    };
  }

  @Override
  Object sent(Struct row, int index) {
    Column column = columns[index];
    if (column.field == null) {
      return null;
    }
    // Struct.get puts the column's default where the row says NULL.
    return column.hasDefault ? row.getWithoutDefault(column.name) : row.get(column.field);
  }

  @Override
  boolean has(Struct row, int index) {
    return columns[index].field != null;
  }

  @Override
  Unit unit(int index) {
    return columns[index].unit;
  }
}
