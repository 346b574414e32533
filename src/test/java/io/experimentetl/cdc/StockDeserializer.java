package io.experimentetl.cdc;

import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceTable;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.cdc.debezium.DebeziumDeserializationSchema;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Debezium's records of snapshot and stream as changes, one by one: for the stock connector, and as
 * the model of the job's own decoder.
 */
final class StockDeserializer
    implements DebeziumDeserializationSchema<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  private long lastTxId;
  private long lastLsn;
  private int indexAtLsn;

  @Override
  public void deserialize(SourceRecord record, Collector<Either<ReaderNotice, Change>> collector) {
    Change change = change(record);
    if (change != null) {
      collector.collect(Either.Right(change));
    }
  }

  @Override
  public TypeInformation<Either<ReaderNotice, Change>> getProducedType() {
    return ReaderNotice.OR_CHANGE;
  }

  /** Null: the record is no change of a captured table. */
  Change change(SourceRecord record) {
    if (!(record.value() instanceof Struct value)
        || value.schema().field("op") == null
        || value.schema().field("after") == null) {
      return null;
    }
    SourceTable table = SourceTable.ofTableName(value.getStruct("source").getString("table"));
    if (table == null) {
      return null;
    }
    ChangeKind kind = kind(value.getString("op"));
    StructRowReader reader =
        new StructRowReader(
            TableBinding.defaults(table, "public"), value.schema().field("after").schema());
    Struct before = value.getStruct("before");
    Struct after = value.getStruct("after");
    return new Change(
        table,
        kind == ChangeKind.DELETE
                && record.headers().lastWithName(DebeziumDecoder.NEW_KEY_HEADER) != null
            ? ChangeKind.KEY_CHANGE
            : kind,
        0,
        position(kind, record.sourceOffset()),
        before == null ? null : reader.readOld(before),
        after == null ? null : reader.read(after, before));
  }

  private static ChangeKind kind(String operation) {
    return switch (operation) {
      case "r" -> ChangeKind.READ;
      case "c" -> ChangeKind.INSERT;
      case "u" -> ChangeKind.UPDATE;
      case "d" -> ChangeKind.DELETE;
      case "t" -> ChangeKind.TRUNCATE;
      default -> throw new IllegalArgumentException(operation);
    };
  }

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
    return offset.get(key) instanceof Long number ? number : 0;
  }
}
