package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.test.junit5.InjectMiniCluster;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.types.Either;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Jobs that are stopped, rescaled and started twice while batches are pending. */
class SinkRecoveryIT {

  private static final long ROWS = 60_000;

  /**
   * Slows down the last tenth of the rows, so that the first job still runs when the second starts.
   */
  private static final AtomicBoolean SLOW_END = new AtomicBoolean();

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension FLINK =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(6)
              .build());

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("recovery");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private final Path folder = Path.of("target", "recovery-" + database.database()).toAbsolutePath();

  @AfterEach
  void close() {
    SLOW_END.set(false);
    proxy.close();
  }

  @ParameterizedTest
  @CsvSource({"2, 1, 262144", "2, 3, 262144", "1, 2, 0"})
  void rescaledJobWithPendingBatchesWritesEveryRowOnce(
      int before, int after, int inlineBytes, @InjectMiniCluster MiniCluster flink)
      throws Exception {
    Reading.createTables(database, 0);
    Reading.keepEveryRow(database);
    proxy.next(1, "INSERT", new RequestFault.DropAnswer(0, Hangup.RESET));
    proxy.next(Integer.MAX_VALUE, "INSERT", new RequestFault.AnswerItself(503, "away"));
    JobClient first = job(before, inlineBytes, "").executeAsync();
    await().until(() -> proxy.counts().faults() >= 3);
    String checkpoint = latestCheckpoint(flink, first.getJobID());
    first.cancel().get();
    await().until(() -> first.getJobStatus().get() == JobStatus.CANCELED);
    assertThat(physical()).as("rows of the batch whose answer was lost").isPositive();
    proxy.heal();

    job(after, inlineBytes, checkpoint).execute();

    assertThat(database.query("SELECT count(), uniqExact(sensor), sum(sensor) FROM readings"))
        .isEqualTo(ROWS + "\t" + ROWS + "\t" + ROWS * (ROWS - 1) / 2);
  }

  @Test
  void firstOfTwoJobsFromOneSavepointStops(@InjectMiniCluster MiniCluster flink) throws Exception {
    Reading.createTables(database, 0);
    SLOW_END.set(true);
    JobClient former = job(1, 262_144, "").executeAsync();
    await().until(() -> physical() > 0);
    String savepoint =
        flink
            .triggerSavepoint(
                former.getJobID(),
                folder.resolve("savepoints").toUri().toString(),
                false,
                SavepointFormatType.CANONICAL)
            .get();
    JobClient latter = job(1, 262_144, savepoint).executeAsync();
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> database.count("SELECT uniqExact(job) FROM etl_owners") == 2);
    SLOW_END.set(false);

    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> former.getJobStatus().get().isTerminalState());
    assertThat(former.getJobStatus().get()).isEqualTo(JobStatus.FAILED);
    assertThat(former.getJobExecutionResult())
        .failsWithin(Duration.ofSeconds(10))
        .withThrowableThat()
        .satisfies(
            failure ->
                assertThat(
                        ExceptionUtils.findThrowableWithMessage(
                            failure,
                            "Job %s has taken over table readings from this job %s"
                                .formatted(latter.getJobID(), former.getJobID())))
                    .isPresent());
    latter.getJobExecutionResult().get();

    assertThat(database.query("SELECT count(), sum(sensor) FROM readings FINAL"))
        .isEqualTo(ROWS + "\t" + ROWS * (ROWS - 1) / 2);
    // The rows of the first job after the savepoint are there twice until OPTIMIZE removes one
    // copy.
    database.query("OPTIMIZE TABLE readings FINAL");
    assertThat(physical()).isEqualTo(ROWS);
  }

  private long physical() {
    return database.count("SELECT count() FROM readings");
  }

  private static String latestCheckpoint(MiniCluster flink, JobID job) throws Exception {
    CompletedCheckpointStats checkpoint =
        flink
            .getExecutionGraph(job)
            .get()
            .getCheckpointStatsSnapshot()
            .getHistory()
            .getLatestCompletedCheckpoint();
    return checkpoint.getExternalPath();
  }

  private StreamExecutionEnvironment job(int parallelism, int inlineBytes, String restoredFrom) {
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(200));
    configuration.set(
        CheckpointingOptions.CHECKPOINTS_DIRECTORY,
        folder.resolve("checkpoints").toUri().toString());
    configuration.set(
        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
        ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
    configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 5);
    configuration.set(
        RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(1));
    if (!restoredFrom.isEmpty()) {
      configuration.set(StateRecoveryOptions.SAVEPOINT_PATH, restoredFrom);
    }
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(parallelism);
    environment.setMaxParallelism(8);
    BatchLimits defaults = BatchLimits.DEFAULT;
    BatchLimits limits =
        new BatchLimits(
            1000,
            defaults.bytes(),
            defaults.openPartitions(),
            defaults.openBytes(),
            inlineBytes,
            Duration.ofSeconds(10),
            Duration.ofMinutes(1),
            defaults.probeAfter());
    ClickHouseConnection connection = Reading.connectionTo(proxy.url(), database);
    JointCommit commit = new JointCommit(connection, limits, Duration.ZERO);
    commit.add(
        Numbers.stream(environment, ROWS, "throttle", new Throttle()),
        ClickHouseSink.builder(new Numbers())
            .connection(connection)
            .folder(folder.resolve("batches").toUri().toString())
            .limits(limits)
            .build());
    commit.build();
    return environment;
  }

  /** Sends about 20,000 rows a second, so that the job still runs when the test interferes. */
  private static final class Throttle extends AbstractStreamOperator<Either<ProgressMarker, Long>>
      implements OneInputStreamOperator<Long, Either<ProgressMarker, Long>> {
    private static final int PACE = 100;
    private transient long rows;

    @Override
    public void processElement(StreamRecord<Long> element) {
      if (SLOW_END.get() && element.getValue() >= ROWS / 10 * 9) {
        LockSupport.parkNanos(20_000_000);
      } else if (++rows % PACE == 0) {
        LockSupport.parkNanos(PACE * 50_000L);
      }
      output.collect(new StreamRecord<>(Either.Right(element.getValue())));
    }
  }
}
