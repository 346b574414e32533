package io.experimentetl.cdc;

import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.UnreadableRow;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.cdc.debezium.DebeziumDeserializationSchema;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Turns Debezium's records of the snapshot into {@link Change}s without a sequence number, and into
 * the reader's notices. A row that cannot be read becomes an {@link UnreadableRow}; the rows around
 * it are read. Drifted columns are reported before the first row that has them.
 */
final class ChangeDeserializer
    implements DebeziumDeserializationSchema<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  static final TypeInformation<Either<ReaderNotice, Change>> TYPE =
      new EitherTypeInfo<>(TypeInformation.of(ReaderNotice.class), ChangeTypeInfo.INSTANCE);

  /** Every change of a table's columns creates a new schema. Above this number all are dropped. */
  private static final int SCHEMAS_KEPT = 256;

  private static final String WATERMARK =
      "io.debezium.connector.flink.cdc.embedded.watermark.value";

  /** How to read the records of one schema. */
  private sealed interface Binding {}

  private record OfTable(SourceTable table, Field after, StructRowReader reader)
      implements Binding {}

  private enum Other implements Binding {
    WATERMARK_RECORD,
    NONE_OF_OURS
  }

  private transient IdentityHashMap<Schema, Binding> bindings;
  private transient DriftedColumns driftedColumns;

  /** Found in the schemas that were bound since the last row. */
  private transient List<SchemaDrift> unreported;

  private transient Schema lastSchema;
  private transient Binding lastBinding;

  /** Whether a record is a row of one of the captured tables. */
  boolean isRow(SourceRecord record) {
    return binding(record) instanceof OfTable;
  }

  @Override
  public void deserialize(SourceRecord record, Collector<Either<ReaderNotice, Change>> collector) {
    Binding binding = binding(record);
    if (binding instanceof OfTable ofTable) {
      for (SchemaDrift drift : unreported) {
        collector.collect(Either.Left(ReaderNotice.of(drift)));
      }
      unreported.clear();
      if (record.value() instanceof Struct value) {
        collector.collect(Either.Right(read(ofTable, record, value)));
      }
    } else if (binding == Other.WATERMARK_RECORD
        && record.value() instanceof Struct value
        && "HIGH".equals(value.getString("watermark_kind"))) {
      collector.collect(
          Either.Left(
              ReaderNotice.of(new ReaderProgress(true, 0, number(record.sourceOffset(), "lsn")))));
    }
  }

  @Override
  public TypeInformation<Either<ReaderNotice, Change>> getProducedType() {
    return TYPE;
  }

  private static Change read(OfTable binding, SourceRecord record, Struct value) {
    return new Change(
        binding.table,
        ChangeKind.READ,
        0,
        new SourcePosition(0, 0, 0, 0, number(record.sourceOffset(), "ts_usec")),
        null,
        row(binding, (Struct) value.get(binding.after)));
  }

  private static SourceRow row(OfTable binding, Struct row) {
    try {
      return binding.reader.read(row, null);
    } catch (DataException | ClassCastException e) {
      return new UnreadableRow(
          binding.table,
          Subject.row(binding.table, ""),
          null,
          FindingCode.S_UNPARSEABLE,
          "",
          "The row does not fit its own schema (" + e.getClass().getSimpleName() + ").");
    }
  }

  private static long number(Map<String, ?> offset, String key) {
    Object value = offset.get(key);
    if (value instanceof Long number) {
      return number;
    }
    // Watermarks carry their offset as text.
    return value == null ? 0 : Long.parseLong(value.toString());
  }

  private Binding binding(SourceRecord record) {
    Schema schema = record.valueSchema();
    if (schema == null) {
      return Other.NONE_OF_OURS;
    }
    if (schema == lastSchema) {
      return lastBinding;
    }
    if (driftedColumns == null) {
      driftedColumns = new DriftedColumns();
      unreported = new ArrayList<>();
    }
    if (bindings == null || bindings.size() >= SCHEMAS_KEPT) {
      bindings = new IdentityHashMap<>();
    }
    Binding binding = bindings.get(schema);
    if (binding == null) {
      binding = bind(schema, record);
      bindings.put(schema, binding);
    }
    lastSchema = schema;
    lastBinding = binding;
    return binding;
  }

  private Binding bind(Schema schema, SourceRecord record) {
    if (WATERMARK.equals(schema.name())) {
      return Other.WATERMARK_RECORD;
    }
    if (schema.field("op") == null
        || schema.field("after") == null
        || !(record.value() instanceof Struct value)) {
      return Other.NONE_OF_OURS;
    }
    SourceTable table = SourceTable.ofTableName(value.getStruct("source").getString("table"));
    if (table == null) {
      return Other.NONE_OF_OURS;
    }
    Schema row = schema.field("after").schema();
    TableBinding binding = TableBinding.defaults(table, "");
    unreported.addAll(driftedColumns.of(binding, row, number(record.sourceOffset(), "ts_usec")));
    return new OfTable(table, schema.field("after"), new StructRowReader(binding, row));
  }
}
