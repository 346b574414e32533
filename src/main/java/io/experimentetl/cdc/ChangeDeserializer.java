package io.experimentetl.cdc;

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
import java.util.function.Function;
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
 * Turns Debezium's records into {@link Change}s without a sequence number, and into the reader's
 * notices. A row that cannot be read becomes an {@link UnreadableRow}; the rows around it are read.
 * One instance reads one stream: it counts the rows of a transaction that share an LSN. Drifted
 * columns are reported before the first row that has them.
 */
final class ChangeDeserializer
    implements DebeziumDeserializationSchema<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  static final TypeInformation<Either<ReaderNotice, Change>> TYPE =
      new EitherTypeInfo<>(TypeInformation.of(ReaderNotice.class), ChangeTypeInfo.INSTANCE);

  /** Every change of a table's columns creates a new schema. Above this number all are dropped. */
  private static final int SCHEMAS_KEPT = 256;

  /** Debezium makes a delete and an insert of a changed primary key; the delete has this header. */
  static final String NEW_KEY_HEADER = "__debezium.newkey";

  private static final String HEARTBEAT = "io.debezium.connector.common.Heartbeat";
  private static final String WATERMARK =
      "io.debezium.connector.flink.cdc.embedded.watermark.value";

  /** How to read the records of one schema. */
  private sealed interface Binding {}

  private record OfTable(
      SourceTable table, Field operation, Field before, Field after, StructRowReader reader)
      implements Binding {}

  private enum Other implements Binding {
    POSITION_RECORD,
    WATERMARK_RECORD,
    NONE_OF_OURS
  }

  private transient IdentityHashMap<Schema, Binding> bindings;
  private transient DriftedColumns driftedColumns;

  /** Found in the schemas that were bound since the last row. */
  private transient List<SchemaDrift> unreported;

  private transient Schema lastSchema;
  private transient Binding lastBinding;
  private transient long lastTxId;
  private transient long lastLsn;
  private transient int indexAtLsn;

  /** Whether a record of this schema is a change of one of the captured tables. */
  boolean isChange(SourceRecord record) {
    return binding(record) instanceof OfTable;
  }

  /** Whether a record reports a position of the stream: a heartbeat, or a transaction's end. */
  boolean isPosition(SourceRecord record) {
    return binding(record) == Other.POSITION_RECORD;
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
        collector.collect(Either.Right(change(ofTable, record, value)));
      }
    } else if (binding == Other.POSITION_RECORD) {
      Map<String, ?> offset = record.sourceOffset();
      collector.collect(
          Either.Left(
              ReaderNotice.of(
                  new ReaderProgress(false, number(offset, "lsn_commit"), number(offset, "lsn")))));
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

  private Change change(OfTable binding, SourceRecord record, Struct value) {
    ChangeKind kind = kind((String) value.get(binding.operation));
    boolean isFirstHalf =
        kind == ChangeKind.DELETE && record.headers().lastWithName(NEW_KEY_HEADER) != null;
    Struct before = (Struct) value.get(binding.before);
    Struct after = (Struct) value.get(binding.after);
    return new Change(
        binding.table,
        isFirstHalf ? ChangeKind.KEY_CHANGE : kind,
        0,
        position(kind, record.sourceOffset()),
        before == null ? null : read(binding, before, binding.reader::readOld),
        after == null ? null : read(binding, after, row -> binding.reader.read(row, before)),
        before != null && binding.reader.isWhole(before));
  }

  private static ChangeKind kind(String operation) {
    return switch (operation) {
      case "r" -> ChangeKind.READ;
      case "c" -> ChangeKind.INSERT;
      case "u" -> ChangeKind.UPDATE;
      case "d" -> ChangeKind.DELETE;
      case "t" -> ChangeKind.TRUNCATE;
      default ->
          throw new IllegalStateException(
              "The source sent the operation '" + operation + "', which is none of r, c, u, d, t.");
    };
  }

  private static SourceRow read(OfTable binding, Struct row, Function<Struct, SourceRow> reading) {
    try {
      return reading.apply(row);
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

  /** Reads the offset, not the row's {@code source}: it is binary and has microseconds. */
  private SourcePosition position(ChangeKind kind, Map<String, ?> offset) {
    long at = number(offset, "ts_usec");
    if (kind == ChangeKind.READ) {
      return new SourcePosition(0, 0, 0, 0, at);
    }
    long txId = number(offset, "txId");
    long lsn = number(offset, "lsn");
    indexAtLsn = txId == lastTxId && lsn == lastLsn ? indexAtLsn + 1 : 0;
    lastTxId = txId;
    lastLsn = lsn;
    return new SourcePosition(number(offset, "lsn_commit"), lsn, txId, indexAtLsn, at);
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
    if (schema == CommitDispatcher.COMMIT || HEARTBEAT.equals(schema.name())) {
      return Other.POSITION_RECORD;
    }
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
    unreported.addAll(driftedColumns.of(table, row, number(record.sourceOffset(), "ts_usec")));
    return new OfTable(
        table,
        schema.field("op"),
        schema.field("before"),
        schema.field("after"),
        new StructRowReader(table, row));
  }
}
