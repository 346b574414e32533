package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.cdc.connectors.base.source.meta.wartermark.WatermarkEvent;
import org.apache.flink.cdc.debezium.DebeziumDeserializationSchema;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;
import org.apache.kafka.connect.source.SourceRecord;

/** Turns the record behind the rows of a chunk into the reader's notice. Rows travel in batches. */
final class ChunkEndDeserializer
    implements DebeziumDeserializationSchema<Either<ReaderNotice, Change>> {
  private static final long serialVersionUID = 1L;

  @Override
  public void deserialize(SourceRecord record, Collector<Either<ReaderNotice, Change>> collector) {
    if (WatermarkEvent.isHighWatermarkEvent(record)) {
      long lsn = Long.parseLong(record.sourceOffset().get(StreamBatches.LSN).toString());
      collector.collect(Either.Left(ReaderNotice.of(new ReaderProgress(true, 0, lsn))));
    }
  }

  @Override
  public TypeInformation<Either<ReaderNotice, Change>> getProducedType() {
    return ReaderNotice.OR_CHANGE;
  }
}
