package io.experimentetl.cdc;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.model.Change;
import io.experimentetl.model.Finding;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * The source as the graph sees it.
 *
 * @param changes Right: a change with its sequence number; Left: the progress marker before a
 *     checkpoint's barrier
 * @param findings about the source's tables
 */
public record SourceStreams(
    DataStream<Either<ProgressMarker, Change>> changes,
    DataStream<Either<ProgressMarker, Finding>> findings) {

  static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("source-findings", TypeInformation.of(new TypeHint<>() {}));

  static SourceStreams of(SingleOutputStreamOperator<Either<ProgressMarker, Change>> numbered) {
    return new SourceStreams(numbered, numbered.getSideOutput(FINDINGS));
  }
}
