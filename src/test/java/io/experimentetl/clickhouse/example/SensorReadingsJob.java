package io.experimentetl.clickhouse.example;

import io.experimentetl.clickhouse.BatchLimits;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHousePreflight;
import io.experimentetl.clickhouse.ClickHouseSink;
import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.types.Either;

/** Writes sensor readings to ClickHouse, each exactly once. */
public final class SensorReadingsJob {

  private SensorReadingsJob() {}

  /**
   * One reading.
   *
   * @param measuredAt microseconds since 1970 in UTC
   */
  public record SensorReading(String sensor, long measuredAt, double celsius) {}

  /** Encodes a reading as a row of the table sensor_readings. */
  private static final class SensorReadingEncoder implements RowEncoder<SensorReading> {
    @Override
    public TableSchema schema() {
      return TableSchema.of("sensor_readings")
          .column("sensor", "String")
          .column("measured_at", "DateTime64(6, 'UTC')")
          .column("celsius", "Float64");
    }

    @Override
    public long partition(SensorReading row) {
      return PartitionOf.monthOrDecade(row.measuredAt());
    }

    @Override
    public void encode(SensorReading row, NativeWriter out) {
      out.writeString(row.sensor());
      out.writeDateTime64(row.measuredAt());
      out.writeFloat64(row.celsius());
    }
  }

  /** Adds the job's source and sink to the environment. */
  static void build(StreamExecutionEnvironment environment, ClickHouseConnection clickHouse) {
    ClickHouseSink<SensorReading> sink =
        ClickHouseSink.builder(new SensorReadingEncoder())
            .connection(clickHouse)
            .limits(BatchLimits.DEFAULT.withRows(50_000))
            .build();
    List<String> problems = ClickHousePreflight.check(clickHouse, List.of(sink.schema()), false);
    if (!problems.isEmpty()) {
      throw new IllegalStateException(String.join("\n", problems));
    }
    environment
        .fromSource(
            new NumberSequenceSource(0, 99_999), WatermarkStrategy.noWatermarks(), "numbers")
        .uid("numbers")
        .map(SensorReadingsJob::reading)
        .returns(
            new EitherTypeInfo<>(
                TypeInformation.of(ProgressMarker.class), TypeInformation.of(SensorReading.class)))
        .name("readings")
        .uid("readings")
        .sinkTo(sink)
        .name(sink.table())
        .uid(sink.table());
  }

  /** A sink takes progress markers (left) and rows (right). This job has rows only. */
  private static Either<ProgressMarker, SensorReading> reading(long number) {
    long measuredAt = 1_790_000_000_000_000L + number * 60_000_000L;
    return Either.Right(new SensorReading("sensor-" + number % 100, measuredAt, number % 40));
  }

  public static void main(String[] arguments) throws Exception {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    environment.enableCheckpointing(Duration.ofSeconds(5).toMillis());
    build(
        environment,
        new ClickHouseConnection(
            URI.create("http://localhost:8123"),
            "sensors",
            "sensors",
            () -> System.getenv("SENSORS_PASSWORD")));
    environment.execute("sensor-readings");
  }
}
