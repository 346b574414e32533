package io.experimentetl.clickhouse;

import static io.experimentetl.clickhouse.Batches.FRESH;
import static io.experimentetl.clickhouse.Batches.LIMITS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.faults.Condition;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.faults.Position;
import io.experimentetl.faults.RequestFault;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessageTypeInfo;
import org.apache.flink.streaming.api.connector.sink2.CommittableWithLineage;
import org.apache.flink.streaming.runtime.operators.sink.SinkWriterOperatorFactory;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Early writes, with the writer in Flink's own operator. */
class EarlyWriteIT {

  private static final int ROWS = 1000;
  private static final String INSERT = "INSERT";
  private static final long LINGER_MILLIS = 100;
  private static final long REPLAY_STABLE = 2;
  private static final long NOT_REPLAY_STABLE = 1;
  private static final Duration TIMEOUT = Duration.ofMillis(700);
  private static final BatchLimits SHORT_TIMEOUT =
      LIMITS.withTimes(TIMEOUT, Duration.ofSeconds(60));
  private static final BatchLimits SHORT_DEADLINE =
      LIMITS.withTimes(Duration.ofSeconds(10), Duration.ofMillis(400));

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("early");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private final long heldBefore = SinkMemory.SHARED.held();
  private Subtask subtask;

  @BeforeEach
  void createTables() throws Exception {
    Reading.createTables(database, 100);
    Reading.keepEveryRow(database);
    subtask = new Subtask(SHORT_TIMEOUT);
    subtask.marker(true);
  }

  @AfterEach
  void close() throws Exception {
    subtask.close();
    proxy.close();
    assertThat(SinkMemory.SHARED.held()).as("bytes kept").isEqualTo(heldBefore);
  }

  /** The writer of one subtask in its task. */
  private final class Subtask {
    private final OneInputStreamOperatorTestHarness<
            Either<ProgressMarker, Reading>, CommittableMessage<Committable>>
        task;
    private long checkpoint;
    private boolean closed;

    Subtask(BatchLimits limits) throws Exception {
      this(limits, Reading.REPLAY_STABLE);
    }

    Subtask(BatchLimits limits, RowEncoder<Reading> encoder) throws Exception {
      task =
          new OneInputStreamOperatorTestHarness<>(
              new SinkWriterOperatorFactory<>(
                  ClickHouseSink.builder(encoder)
                      .connection(Reading.connectionTo(proxy.url(), database))
                      .limits(limits)
                      .earlyWrite(Duration.ofMillis(LINGER_MILLIS))
                      .build()));
      task.setup(
          CommittableMessageTypeInfo.of(CommittableSerializer::new)
              .createSerializer(new SerializerConfigImpl()));
      task.open();
    }

    void marker(boolean replayStable) throws Exception {
      task.processElement(Either.Left(new ProgressMarker(1, 1, 1, true, replayStable)), 0);
    }

    void write(long from, long to, long version) throws Exception {
      for (long sensor = from; sensor < to; sensor++) {
        write(new Reading(sensor, 202610 + (int) (sensor % 2), "Größe " + sensor, version));
      }
    }

    void write(Reading row) throws Exception {
      task.processElement(Either.Right(row), 0);
    }

    void linger() throws Exception {
      pass(LINGER_MILLIS);
    }

    void pass(long millis) throws Exception {
      task.setProcessingTime(task.getProcessingTime() + millis);
    }

    /** Returns the batches for the committer without progress markers. */
    List<SealedBatch> barrier() throws Exception {
      task.prepareSnapshotPreBarrier(++checkpoint);
      List<SealedBatch> batches = new ArrayList<>();
      for (Object output : task.getOutput()) {
        if (((StreamRecord<?>) output).getValue() instanceof CommittableWithLineage<?> sent
            && sent.getCommittable() instanceof SealedBatch batch) {
          batches.add(batch);
        }
      }
      task.getOutput().clear();
      return batches;
    }

    void close() throws Exception {
      if (!closed) {
        closed = true;
        task.close();
      }
    }
  }

  @Test
  void rowsAreVisibleAfterTheLingerWithoutACheckpoint() throws Exception {
    subtask.write(0, 10, REPLAY_STABLE);
    assertThat(proxy.counts().requests()).isZero();

    subtask.linger();

    awaitRows(10);
    subtask.write(10, 20, REPLAY_STABLE);
    lingerUntilRows(20);
  }

  @Test
  void backlogIsWrittenInLargeBlocks() throws Exception {
    openBacklog();
    for (int written = 0; written < 40_000; written += 2_500) {
      subtask.write(written, written + 2_500, REPLAY_STABLE);
      subtask.linger();
    }
    subtask.barrier();

    assertRowsOnce(40_000);
    // Each INSERT is a block of one of the two partitions. Only the barrier's may be small.
    assertThat(
            database.count(
                "SELECT countIf(rows < 5000) FROM (SELECT count() AS rows FROM readings GROUP BY _batch_id)"))
        .isLessThanOrEqualTo(2);
  }

  @Test
  void fewRowsOfABacklogAreVisibleWithoutACheckpoint() throws Exception {
    openBacklog();
    subtask.write(0, 10, REPLAY_STABLE);
    for (int i = 0; i < 5; i++) {
      subtask.linger();
    }
    assertThat(physical()).isZero();

    lingerUntilRows(10);
  }

  /** A subtask that receives rows an hour after their commit. */
  private void openBacklog() throws Exception {
    subtask.close();
    subtask = new Subtask(BatchLimits.DEFAULT, Reading.BACKLOG);
    subtask.task.setProcessingTime(Duration.ofHours(1).toMillis());
    subtask.marker(true);
  }

  @Test
  void rowsThatHaveLingeredFollowTheInsertBeforeThem() throws Exception {
    proxy.network(Condition.STALLED);
    subtask.write(0, 10, REPLAY_STABLE);
    subtask.linger();
    subtask.write(10, 20, REPLAY_STABLE);
    subtask.linger();
    proxy.heal();
    awaitRows(10);

    long before = subtask.task.getProcessingTime();
    await()
        .until(
            () -> {
              subtask.pass(LINGER_MILLIS / 8);
              return physical() == 20;
            });
    assertThat(subtask.task.getProcessingTime() - before).isLessThan(LINGER_MILLIS);
  }

  @Test
  void fullBatchDoesNotWaitForTheLinger() throws Exception {
    subtask.write(0, 2 * ROWS, REPLAY_STABLE);

    await().until(() -> physical() >= ROWS);
  }

  @Test
  void rowsThatAreNotReplayStableWaitForTheirCheckpoint() throws Exception {
    subtask.write(0, 10, NOT_REPLAY_STABLE);
    subtask.write(10, 20, REPLAY_STABLE);
    lingerUntilRows(10);

    List<SealedBatch> batches = subtask.barrier();

    assertThat(batches.stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(10);
    assertThat(physical()).isEqualTo(10);
    Batches.commit(Reading.connectionTo(database), FRESH, Batches.ALL, batches);
    assertRowsOnce(20);
  }

  @Test
  void allRowsWaitUntilAMarkerIsReplayStable() throws Exception {
    for (boolean anyMarker : new boolean[] {false, true}) {
      Subtask early = new Subtask(SHORT_TIMEOUT);
      if (anyMarker) {
        early.marker(false);
      }
      early.write(0, 10, REPLAY_STABLE);
      early.linger();

      assertThat(early.barrier().stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(10);
      early.close();
    }
    assertThat(proxy.counts().requests()).isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void barrierWaitsForAllEarlyWrites(boolean isSending) throws Exception {
    subtask.write(0, 10, REPLAY_STABLE);
    proxy.next(1, INSERT, new RequestFault.DelayRequest(Duration.ofMillis(300)));
    if (isSending) {
      subtask.linger();
    }

    assertThat(subtask.barrier()).isEmpty();

    assertRowsOnce(10);
  }

  static Stream<RequestFault> faults() {
    return UnknownOutcomesIT.faultsOfOneRequest();
  }

  @ParameterizedTest
  @MethodSource("faults")
  void insertWithAFaultWritesTheRows(RequestFault fault) throws Exception {
    proxy.next(1, INSERT, fault);
    subtask.write(0, ROWS, REPLAY_STABLE);

    subtask.barrier();
    await().until(() -> proxy.inFlight() == 0);

    assertThat(proxy.pendingFaults()).isZero();
    assertRowsOnce(ROWS);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void restartAfterRandomFaultsGivesTheSameRows(long seed) throws Exception {
    Random random = new Random(seed);
    List<RequestFault> faults = faults().toList();
    for (int run = 0; run < 3; run++) {
      for (int i = 0; i < 5; i++) {
        proxy.next(
            1, random.nextBoolean() ? INSERT : "", faults.get(random.nextInt(faults.size())));
      }
      subtask.close();
      subtask = new Subtask(SHORT_TIMEOUT);
      subtask.marker(true);
      subtask.write(0, 2 * ROWS, REPLAY_STABLE);
      if (run == 2) {
        subtask.barrier();
      } else {
        // The task ends during an INSERT.
        await().until(() -> proxy.counts().requests() > 4);
      }
    }
    await().until(() -> proxy.inFlight() == 0);

    assertRowsOnce(2 * ROWS);
  }

  @Test
  void lateCopyOfAnEarlierRunReplacesNoNewerRow() throws Exception {
    proxy.next(1, INSERT, new RequestFault.DelayRequest(TIMEOUT.multipliedBy(3)));
    subtask.write(new Reading(0, 202611, "of the first run", 2));
    subtask.linger();
    await().until(() -> proxy.pendingFaults() == 0);
    subtask.close();
    subtask = new Subtask(SHORT_TIMEOUT);
    subtask.marker(true);
    subtask.write(new Reading(0, 202611, "of the first run", 2));
    subtask.write(new Reading(0, 202611, "newer", 4));
    subtask.barrier();

    await().until(() -> proxy.inFlight() == 0);

    assertThat(database.query("SELECT text FROM readings FINAL")).isEqualTo("newer");
  }

  @Test
  void killedServerHasTheRowsAfterItsRestart() throws Exception {
    proxy.next(1, INSERT, new RequestFault.StallRequest(Position.IN_BODY));
    subtask.write(0, ROWS, REPLAY_STABLE);
    CompletableFuture<Void> barrier = inBackground(() -> subtask.barrier());
    await().until(() -> proxy.pendingFaults() == 0);
    PLATFORM.clickHouse().kill9();
    proxy.hangUp(Hangup.RESET);
    PLATFORM.clickHouse().start();

    barrier.get();

    assertRowsOnce(ROWS);
  }

  @Test
  void serverWritesARememberedBlockAgainWhenItsRowsAreGone() throws Exception {
    SealedBatch batch = Batches.seal(0, ROWS).get(0);
    try (ClickHouseHttp http = new ClickHouseHttp(Reading.connectionTo(database))) {
      BatchTable table = new BatchTable(http, TIMEOUT);
      assertThat(table.insert(batch, batch.body(), 1, false, true).succeeded()).isTrue();
      database.query("SYSTEM START MERGES readings");
      database.query("DELETE FROM readings WHERE 1");

      assertThat(table.insert(batch, batch.body(), 2, false, true).succeeded()).isTrue();
    }
    assertRowsOnce(ROWS);
  }

  @Test
  void taskFailsAtTheDeadlineAndTheNextRunWritesTheRows() throws Exception {
    subtask.close();
    subtask = new Subtask(SHORT_DEADLINE);
    subtask.marker(true);
    subtask.write(0, ROWS, REPLAY_STABLE);
    proxy.next(Integer.MAX_VALUE, "", new RequestFault.AnswerItself(503, "away"));

    assertThatThrownBy(subtask::barrier)
        .isInstanceOf(IOException.class)
        .isNotInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("of table readings (partition 2026")
        .hasMessageContaining("-early")
        .hasMessageContaining("Nothing is lost");

    proxy.heal();
    subtask.close();
    subtask = new Subtask(SHORT_DEADLINE);
    subtask.marker(true);
    subtask.write(0, ROWS, REPLAY_STABLE);
    subtask.barrier();
    assertRowsOnce(ROWS);
  }

  @Test
  void taskWithoutMoreRowsFailsAtTheDeadlineToo() throws Exception {
    subtask.close();
    subtask = new Subtask(SHORT_DEADLINE);
    subtask.marker(true);
    subtask.write(0, 10, REPLAY_STABLE);
    proxy.next(Integer.MAX_VALUE, "", new RequestFault.AnswerItself(503, "away"));

    await()
        .untilAsserted(
            () ->
                assertThatThrownBy(subtask::linger)
                    .satisfies(
                        failure ->
                            assertThat(
                                    ExceptionUtils.findThrowableWithMessage(
                                        failure, "Nothing is lost"))
                                .isPresent()));
  }

  @Test
  void refusedRowsStopTheJobAndAreNamed() throws Exception {
    database.query("ALTER TABLE readings ADD CONSTRAINT positive CHECK sensor >= 0");
    subtask.write(-5, 5, REPLAY_STABLE);

    assertThatThrownBy(subtask::barrier)
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("ClickHouse refuses batch")
        .hasMessageContaining("positive")
        .hasMessageContaining("Remedy");
  }

  @Test
  void taskWaitsWhenABatchIsFullDuringAnotherInsert() throws Exception {
    proxy.network(Condition.STALLED);
    AtomicLong written = new AtomicLong();
    CompletableFuture<Void> writing =
        inBackground(
            () -> {
              for (long sensor = 0; sensor < 20 * ROWS; sensor++) {
                subtask.write(new Reading(sensor, 202611, "Größe", REPLAY_STABLE));
                written.incrementAndGet();
              }
              subtask.barrier();
            });
    await().during(Duration.ofMillis(300)).until(() -> written.get() >= 2 * ROWS - 1);
    assertThat(written.get()).isLessThanOrEqualTo(2 * ROWS);

    proxy.heal();
    writing.get();

    assertRowsOnce(20 * ROWS);
  }

  private interface Step {
    void run() throws Exception;
  }

  private static CompletableFuture<Void> inBackground(Step step) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            step.run();
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }

  private long physical() {
    return database.count("SELECT count() FROM readings");
  }

  private void awaitRows(long rows) {
    await().until(() -> physical() >= rows);
    assertRowsOnce(rows);
  }

  /** An INSERT that runs at one tick of the timer delays the other rows until the next tick. */
  private void lingerUntilRows(long rows) {
    await()
        .until(
            () -> {
              subtask.linger();
              return physical() >= rows;
            });
    assertThat(physical()).isEqualTo(rows);
  }

  private void assertRowsOnce(long rows) {
    assertThat(
            database.query(
                "SELECT count(), uniqExact(sensor), sum(sensor) FROM readings FINAL WHERE sensor >= 0"))
        .isEqualTo(rows + "\t" + rows + "\t" + rows * (rows - 1) / 2);
  }
}
