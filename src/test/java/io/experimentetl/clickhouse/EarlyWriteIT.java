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
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.ClickHouseEndpoint;
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

/** Rows that don't wait for their checkpoint, with Flink's own operator around the writer. */
class EarlyWriteIT {

  private static final int ROWS = 1000;
  private static final String INSERT = "INSERT";
  private static final long LINGER_MILLIS = 100;
  private static final long REPEATABLE = 2;
  private static final long WAITS = 1;
  private static final Duration TIMEOUT = Duration.ofMillis(700);
  private static final BatchLimits HURRIED = LIMITS.withTimes(TIMEOUT, Duration.ofSeconds(60));
  private static final BatchLimits IMPATIENT =
      LIMITS.withTimes(Duration.ofSeconds(10), Duration.ofMillis(400));

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("through");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private final long heldBefore = SinkMemory.SHARED.held();
  private Subtask subtask;

  @BeforeEach
  void createTables() throws Exception {
    Reading.createTables(database, 100);
    Reading.keepEveryRow(database);
    subtask = new Subtask(HURRIED);
    subtask.marker(true);
  }

  @AfterEach
  void close() throws Exception {
    subtask.close();
    proxy.close();
    assertThat(SinkMemory.SHARED.held()).as("bytes kept").isEqualTo(heldBefore);
  }

  /** The writer of one subtask, in a task of its own. */
  private final class Subtask {
    private final OneInputStreamOperatorTestHarness<
            Either<ProgressMarker, Reading>, CommittableMessage<SealedBatch>>
        task;
    private long checkpoint;
    private boolean closed;

    Subtask(BatchLimits limits) throws Exception {
      task =
          new OneInputStreamOperatorTestHarness<>(
              new SinkWriterOperatorFactory<>(
                  ClickHouseSink.builder(Reading.REPEATABLE)
                      .connection(Reading.connectionTo(proxy.url(), database))
                      .limits(limits)
                      .earlyWrite(Duration.ofMillis(LINGER_MILLIS))
                      .build()));
      task.setup(
          CommittableMessageTypeInfo.of(SealedBatchSerializer::new)
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
      task.setProcessingTime(task.getProcessingTime() + LINGER_MILLIS);
    }

    /** What the committer gets when the checkpoint completes, cuts aside. */
    List<SealedBatch> barrier() throws Exception {
      task.prepareSnapshotPreBarrier(++checkpoint);
      List<SealedBatch> batches = new ArrayList<>();
      for (Object output : task.getOutput()) {
        if (((StreamRecord<?>) output).getValue() instanceof CommittableWithLineage<?> sent
            && sent.getCommittable() instanceof SealedBatch batch
            && batch.kind() == SealedBatch.Kind.ROWS) {
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
  void rowsAreThereAfterTheLingerWithoutACheckpoint() throws Exception {
    subtask.write(0, 10, REPEATABLE);
    assertThat(proxy.counts().requests()).isZero();

    subtask.linger();

    awaitRows(10);
    subtask.write(10, 20, REPEATABLE);
    lingerUntilRows(20);
  }

  @Test
  void aFullBatchDoesNotWaitForTheLinger() throws Exception {
    subtask.write(0, 2 * ROWS, REPEATABLE);

    await().until(() -> physical() >= ROWS);
  }

  @Test
  void rowsThatMayNotComeAgainTheSameWaitForTheirCheckpoint() throws Exception {
    subtask.write(0, 10, WAITS);
    subtask.write(10, 20, REPEATABLE);
    lingerUntilRows(10);

    List<SealedBatch> batches = subtask.barrier();

    assertThat(batches.stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(10);
    assertThat(physical()).isEqualTo(10);
    Batches.commit(Reading.connectionTo(database), FRESH, Batches.ALL, batches);
    assertThere(20);
  }

  @Test
  void beforeACutFromWhichRowsAreRepeatableAllOfThemWait() throws Exception {
    for (boolean anyMarker : new boolean[] {false, true}) {
      Subtask early = new Subtask(HURRIED);
      if (anyMarker) {
        early.marker(false);
      }
      early.write(0, 10, REPEATABLE);
      early.linger();

      assertThat(early.barrier().stream().mapToInt(SealedBatch::rows).sum()).isEqualTo(10);
      early.close();
    }
    assertThat(proxy.counts().requests()).isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theBarrierWaitsUntilEveryRowBeforeItIsThere(boolean underWay) throws Exception {
    subtask.write(0, 10, REPEATABLE);
    proxy.next(1, INSERT, new RequestFault.DelayRequest(Duration.ofMillis(300)));
    if (underWay) {
      subtask.linger();
    }

    assertThat(subtask.barrier()).isEmpty();

    assertThere(10);
  }

  static Stream<RequestFault> faults() {
    return UnknownOutcomesIT.faultsOfOneRequest();
  }

  @ParameterizedTest
  @MethodSource("faults")
  void rowsWhoseInsertMeetsThisFaultAreThere(RequestFault fault) throws Exception {
    proxy.next(1, INSERT, fault);
    subtask.write(0, ROWS, REPEATABLE);

    subtask.barrier();
    await().until(() -> proxy.underWay() == 0);

    assertThat(proxy.armed()).isZero();
    assertThere(ROWS);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void whateverBefallsWhicheverRequestARestartGivesTheSameRows(long seed) throws Exception {
    Random random = new Random(seed);
    List<RequestFault> faults = faults().toList();
    for (int run = 0; run < 3; run++) {
      for (int i = 0; i < 5; i++) {
        proxy.next(
            1, random.nextBoolean() ? INSERT : "", faults.get(random.nextInt(faults.size())));
      }
      subtask.close();
      subtask = new Subtask(HURRIED);
      subtask.marker(true);
      subtask.write(0, 2 * ROWS, REPEATABLE);
      if (run == 2) {
        subtask.barrier();
      } else {
        // It goes down with an INSERT under way.
        await().until(() -> proxy.counts().requests() > 4);
      }
    }
    await().until(() -> proxy.underWay() == 0);

    assertThere(2 * ROWS);
  }

  @Test
  void aCopyOfAnEarlierRunThatArrivesLateReplacesNothingNewer() throws Exception {
    proxy.next(1, INSERT, new RequestFault.DelayRequest(TIMEOUT.multipliedBy(3)));
    subtask.write(new Reading(0, 202611, "of the first run", 2));
    subtask.linger();
    await().until(() -> proxy.armed() == 0);
    subtask.close();
    subtask = new Subtask(HURRIED);
    subtask.marker(true);
    subtask.write(new Reading(0, 202611, "of the first run", 2));
    subtask.write(new Reading(0, 202611, "newer", 4));
    subtask.barrier();

    await().until(() -> proxy.underWay() == 0);

    assertThat(database.query("SELECT text FROM readings FINAL")).isEqualTo("newer");
  }

  @Test
  void aServerThatIsKilledInTheMiddleHasTheRowsWhenItIsBack() throws Exception {
    proxy.next(1, INSERT, new RequestFault.StallRequest(Position.IN_BODY));
    subtask.write(0, ROWS, REPEATABLE);
    CompletableFuture<Void> barrier = inTheBackground(() -> subtask.barrier());
    await().until(() -> proxy.armed() == 0);
    PLATFORM.clickHouse().kill9();
    proxy.hangUp(Hangup.RESET);
    PLATFORM.clickHouse().start();

    barrier.get();

    assertThere(ROWS);
  }

  @Test
  void aServerThatRemembersABlockWhoseRowsAreGoneTakesItAgain() throws Exception {
    SealedBatch batch = Batches.seal(0, ROWS).get(0);
    try (ClickHouseHttp http = new ClickHouseHttp(Reading.connectionTo(database))) {
      BatchTable table = new BatchTable(http, TIMEOUT);
      assertThat(table.insert(batch, batch.body(), 1, false, true).succeeded()).isTrue();
      database.query("SYSTEM START MERGES readings");
      database.query("DELETE FROM readings WHERE 1");

      assertThat(table.insert(batch, batch.body(), 2, false, true).succeeded()).isTrue();
    }
    assertThere(ROWS);
  }

  @Test
  void afterTheDeadlineTheTaskFailsAndTheNextRunBringsTheRows() throws Exception {
    subtask.close();
    subtask = new Subtask(IMPATIENT);
    subtask.marker(true);
    subtask.write(0, ROWS, REPEATABLE);
    proxy.next(Integer.MAX_VALUE, "", new RequestFault.AnswerItself(503, "away"));

    assertThatThrownBy(subtask::barrier)
        .isInstanceOf(IOException.class)
        .isNotInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("of table readings (partition 2026")
        .hasMessageContaining("-early")
        .hasMessageContaining("Nothing is lost");

    proxy.heal();
    subtask.close();
    subtask = new Subtask(IMPATIENT);
    subtask.marker(true);
    subtask.write(0, ROWS, REPEATABLE);
    subtask.barrier();
    assertThere(ROWS);
  }

  @Test
  void aTaskThatGetsNoMoreRowsFailsToo() throws Exception {
    subtask.close();
    subtask = new Subtask(IMPATIENT);
    subtask.marker(true);
    subtask.write(0, 10, REPEATABLE);
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
  void rowsThatTheServerRefusesForGoodStopTheJobAndAreNamed() throws Exception {
    database.query("ALTER TABLE readings ADD CONSTRAINT positive CHECK sensor >= 0");
    subtask.write(-5, 5, REPEATABLE);

    assertThatThrownBy(subtask::barrier)
        .isInstanceOf(BatchRefusedException.class)
        .hasMessageContaining("ClickHouse refuses batch")
        .hasMessageContaining("positive")
        .hasMessageContaining("Remedy");
  }

  @Test
  void whatIsUnderWayHoldsTheTaskUpBeforeMoreGathersThanABatch() throws Exception {
    proxy.line(Condition.STALLED);
    AtomicLong written = new AtomicLong();
    CompletableFuture<Void> writing =
        inTheBackground(
            () -> {
              for (long sensor = 0; sensor < 20 * ROWS; sensor++) {
                subtask.write(new Reading(sensor, 202611, "Größe", REPEATABLE));
                written.incrementAndGet();
              }
              subtask.barrier();
            });
    await().during(Duration.ofMillis(300)).until(() -> written.get() >= 2 * ROWS - 1);
    assertThat(written.get()).isLessThanOrEqualTo(2 * ROWS);

    proxy.heal();
    writing.get();

    assertThere(20 * ROWS);
  }

  private interface Step {
    void run() throws Exception;
  }

  private static CompletableFuture<Void> inTheBackground(Step step) {
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
    assertThere(rows);
  }

  /** What was under way at one tick of the timer holds the rest until the next. */
  private void lingerUntilRows(long rows) {
    await()
        .until(
            () -> {
              subtask.linger();
              return physical() >= rows;
            });
    assertThat(physical()).isEqualTo(rows);
  }

  private void assertThere(long rows) {
    assertThat(
            database.query(
                "SELECT count(), uniqExact(sensor), sum(sensor) FROM readings FINAL WHERE sensor >= 0"))
        .isEqualTo(rows + "\t" + rows + "\t" + rows * (rows - 1) / 2);
  }
}
