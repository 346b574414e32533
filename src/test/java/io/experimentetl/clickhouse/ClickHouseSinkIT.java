package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.runtime.jobgraph.JobVertex;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.types.Either;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ClickHouseSinkIT {

  private static final long ROWS = 1_000_000;

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension FLINK =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(2)
              .build());

  private static final AtomicInteger failures = new AtomicInteger();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sink");

  @Test
  void jobThatFailsTwiceWritesEveryRowOnceAndItsProgress() throws Exception {
    ClickHouseConnection connection = Reading.createTables(database, 0);
    failures.set(0);

    job(connection, new Numbers()).execute("exactly once");

    assertThat(failures).hasValue(2);
    assertThat(database.query("SELECT count(), uniqExact(sensor), sum(sensor) FROM readings"))
        .isEqualTo(ROWS + "\t" + ROWS + "\t" + ROWS * (ROWS - 1) / 2);
    assertThat(
            database.query(
                "SELECT max(sequence_number), count() > 1, max(lsn), max(lag_limit_seconds) FROM etl_sink_progress"))
        .isEqualTo(ROWS - 1 + "\t1\t" + (ROWS - 1) + "\t300");
  }

  @Test
  void committerRunsInATaskOfItsOwn() {
    ClickHouseConnection connection = Reading.createTables(database, 100);

    assertThat(job(connection, new Numbers()).getStreamGraph().getJobGraph().getVertices())
        .extracting(JobVertex::getName)
        .contains("markers -> readings", "commit");
  }

  @Test
  void rowThatCannotBeEncodedStopsTheJobWithoutRestart() {
    ClickHouseConnection connection = Reading.createTables(database, 100);
    failures.set(2);

    assertThatThrownBy(() -> job(connection, new Poison()).execute("poison"))
        .satisfies(
            failure ->
                assertThat(ExceptionUtils.findThrowableWithMessage(failure, "cannot be encoded"))
                    .isPresent())
        .satisfies(
            failure ->
                assertThat(ExceptionUtils.findThrowableWithMessage(failure, "not recoverable"))
                    .isPresent());
  }

  private static StreamExecutionEnvironment job(
      ClickHouseConnection connection, RowEncoder<Long> encoder) {
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(100));
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 5);
    configuration.set(
        RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(1));
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(1);
    JointCommit commit = new JointCommit(connection, BatchLimits.DEFAULT, Duration.ofMinutes(5));
    commit.add(
        Numbers.stream(environment, ROWS, "markers", new FailingTwice()),
        ClickHouseSink.builder(encoder)
            .connection(connection)
            .limits(BatchLimits.DEFAULT.withRows(10_000))
            .build());
    commit.build();
    return environment;
  }

  /**
   * Sends a progress marker before each barrier. Fails during the first commit, and again midway.
   */
  private static final class FailingTwice
      extends AbstractStreamOperator<Either<ProgressMarker, Long>>
      implements OneInputStreamOperator<Long, Either<ProgressMarker, Long>>, BoundedOneInput {

    private transient long last;
    private transient boolean any;

    @Override
    public void processElement(StreamRecord<Long> element) {
      if (element.getValue() > ROWS / 2) {
        failAs(1);
      }
      last = element.getValue();
      any = true;
      output.collect(new StreamRecord<>(Either.Right(last)));
    }

    @Override
    public void endInput() {
      prepareSnapshotPreBarrier(0);
      any = false;
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) {
      if (any) {
        output.collect(
            new StreamRecord<>(
                Either.Left(new ProgressMarker(last, last, 1_600_000_000_000_000L, true, true))));
      }
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) throws Exception {
      super.notifyCheckpointComplete(checkpointId);
      failAs(0);
    }

    private static void failAs(int failure) {
      if (failures.compareAndSet(failure, failure + 1)) {
        throw new IllegalStateException("a failure for the test");
      }
    }
  }

  private static final class Poison extends Numbers {
    @Override
    public void encode(Long row, NativeWriter out) {
      super.encode(row, out);
      if (row == 5000) {
        out.writeDate32(Integer.MAX_VALUE);
      }
    }
  }
}
