package io.experimentetl.clickhouse;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.types.Either;

/** A reading for each number, spread over three partitions. */
class Numbers implements RowEncoder<Long> {
  /** The numbers from 0, through an operator that may send markers among them. */
  static DataStream<Either<ProgressMarker, Long>> stream(
      StreamExecutionEnvironment environment,
      long rows,
      String name,
      OneInputStreamOperator<Long, Either<ProgressMarker, Long>> operator) {
    return environment
        .fromSource(
            new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "numbers")
        .uid("numbers")
        .transform(
            name,
            new EitherTypeInfo<>(TypeInformation.of(ProgressMarker.class), Types.LONG),
            operator)
        .uid(name);
  }

  @Override
  public TableSchema schema() {
    return Reading.ENCODER.schema();
  }

  @Override
  public long partition(Long row) {
    return 202601 + row % 3;
  }

  @Override
  public void encode(Long row, NativeWriter out) {
    Reading.ENCODER.encode(new Reading(row, (int) partition(row), "reading " + row, 1), out);
  }
}
