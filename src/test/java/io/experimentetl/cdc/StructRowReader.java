package io.experimentetl.cdc;

import io.experimentetl.mapping.TableBinding;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * Reads Debezium's rows, which are Kafka Connect's structs, of one table in one version of its
 * schema. The fields are looked up once per schema, not once per row.
 */
final class StructRowReader extends RowReader<Struct> {

  private record BoundField(Field field, boolean hasDefault, Unit unit) {}

  private static final BoundField ABSENT = new BoundField(null, false, Unit.NONE);

  private final BoundField[] fields;

  StructRowReader(TableBinding binding, Schema schema) {
    super(binding);
    fields = new BoundField[sources().size()];
    for (int source = 0; source < fields.length; source++) {
      Field field = schema.field(sources().get(source));
      fields[source] =
          field == null
              ? ABSENT
              : new BoundField(field, field.schema().defaultValue() != null, unit(field.schema()));
    }
    bind();
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

  /** A row of the snapshot is whole. */
  @Override
  Object sent(Struct row, Struct before, int source) {
    BoundField bound = fields[source];
    if (bound.field == null) {
      return null;
    }
    // Struct.get returns the column's default instead of NULL.
    return bound.hasDefault ? row.getWithoutDefault(bound.field.name()) : row.get(bound.field);
  }

  @Override
  boolean has(Struct row, int source) {
    return fields[source].field != null;
  }

  @Override
  boolean isAbsent(int source) {
    return fields[source].field == null;
  }

  /** Debezium's schema names the type only. */
  @Override
  ValueFormat format(int source) {
    return null;
  }

  @Override
  Unit unit(int source) {
    return fields[source].unit;
  }
}
