package io.experimentetl.clickhouse;

import static io.experimentetl.clickhouse.Batches.ALL;
import static io.experimentetl.clickhouse.Batches.CHECKPOINT;
import static io.experimentetl.clickhouse.Batches.FRESH;
import static io.experimentetl.clickhouse.Batches.LIMITS;
import static io.experimentetl.clickhouse.Batches.TOKEN_ONLY;
import static io.experimentetl.clickhouse.Batches.commit;
import static io.experimentetl.clickhouse.Batches.seal;
import static io.experimentetl.clickhouse.Batches.without;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.clickhouse.ClickHouseCommitter.Guard;
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
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A network between sink and server that fails in every way. The tests count physical rows, not
 * rows under {@code FINAL}. The tables have no deduplication window unless a test sets one, so the
 * results do not depend on a window.
 */
class UnknownOutcomesIT {

  private static final int ROWS = 1000;
  private static final String INSERT = "INSERT";

  /** A parameter of the first request of a fence, and of an INSERT. */
  private static final String CLOSING = "close_session";

  private static final Duration TIMEOUT = Duration.ofMillis(700);
  private static final Duration LONGER = TIMEOUT.multipliedBy(2);
  private static final BatchLimits SHORT_TIMEOUT =
      LIMITS.withTimes(TIMEOUT, Duration.ofSeconds(60));

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private final ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("unknown");
  private final FaultProxy proxy = FaultProxy.to(URI.create(database.url()));
  private ClickHouseConnection connection;

  @BeforeEach
  void createTables() {
    Reading.createTables(database, 0);
    Reading.keepEveryRow(database);
    connection = Reading.connectionTo(proxy.url(), database);
  }

  @AfterEach
  void close() {
    proxy.close();
  }

  static Stream<RequestFault> faultsOfOneRequest() {
    Stream<RequestFault> cutRequests =
        Stream.of(
                Position.after(0),
                Position.after(1),
                Position.IN_HEAD,
                Position.BEFORE_BODY,
                Position.IN_BODY,
                Position.BEFORE_LAST_BYTE)
            .flatMap(
                position ->
                    Stream.of(Hangup.values())
                        .map(hangup -> new RequestFault.CutRequest(position, hangup)));
    Stream<RequestFault> lostAnswers =
        Stream.of(0, 1, 100)
            .flatMap(
                bytes ->
                    Stream.of(Hangup.values())
                        .map(hangup -> new RequestFault.DropAnswer(bytes, hangup)));
    Stream<RequestFault> errors =
        IntStream.of(429, 500, 502, 503, 504)
            .mapToObj(status -> new RequestFault.AnswerItself(status, "overloaded"));
    return Stream.of(
            cutRequests,
            lostAnswers,
            errors,
            Stream.<RequestFault>of(
                new RequestFault.AnswerItself(200, "a page that has nothing to do with it"),
                new RequestFault.DelayRequest(LONGER),
                new RequestFault.DelayAnswer(LONGER),
                new RequestFault.StallRequest(Position.IN_HEAD),
                new RequestFault.StallRequest(Position.IN_BODY),
                new RequestFault.DeliverTwice(true),
                new RequestFault.DeliverTwice(false)))
        .flatMap(faults -> faults);
  }

  @ParameterizedTest
  @MethodSource("faultsOfOneRequest")
  void insertWithAFaultWritesTheRowsOnce(RequestFault fault) throws Exception {
    proxy.next(1, INSERT, fault);

    commit(connection, SHORT_TIMEOUT, FRESH, ALL, seal(0, ROWS));
    awaitLateCopies();

    assertThat(proxy.counts().faults()).isEqualTo(1);
    assertRowsOnce(ROWS);
  }

  @ParameterizedTest
  @MethodSource("faultsOfOneRequest")
  void faultOfAFenceOrProbeLeavesTheRowsOnce(RequestFault fault) throws Exception {
    List<SealedBatch> batches = seal(0, ROWS);
    commit(connection, SHORT_TIMEOUT, FRESH, ALL, batches);
    proxy.next(1, CLOSING, fault);
    proxy.next(1, "default_format=TabSeparated", fault);

    commit(connection, SHORT_TIMEOUT, CHECKPOINT, ALL, batches);
    awaitLateCopies();

    assertThat(proxy.pendingFaults()).isZero();
    assertRowsOnce(ROWS);
  }

  @Test
  void lateCopyDoublesTheRowsWithoutASingleUseSession() throws Exception {
    proxy.next(1, INSERT, new RequestFault.DelayRequest(LONGER));

    commit(connection, SHORT_TIMEOUT, FRESH, without(Guard.SINGLE_USE_SESSION), seal(0, ROWS));
    awaitLateCopies();

    assertThat(physical()).isEqualTo(2 * ROWS);
  }

  /** Between the probe, which finds nothing, and the second attempt. */
  @Test
  void copyThatArrivesAfterTheProbeIsRefused() throws Exception {
    proxy.next(1, INSERT, new RequestFault.DelayRequest(TIMEOUT.plusMillis(500)));
    CompletableFuture<Void> committed = committing(SHORT_TIMEOUT, FRESH, ALL, seal(0, ROWS));
    await().until(() -> proxy.pendingFaults() == 0);
    RequestFault none = new RequestFault.DelayAnswer(Duration.ZERO);
    proxy.next(1, CLOSING, none);
    proxy.next(1, "", none);
    proxy.next(1, "", new RequestFault.DelayAnswer(TIMEOUT.minusMillis(100)));

    committed.get();
    awaitLateCopies();

    assertThat(proxy.pendingFaults()).isZero();
    assertRowsOnce(ROWS);
  }

  @Test
  void lostAnswerDoublesTheRowsWithoutProbeAndToken() throws Exception {
    proxy.next(1, INSERT, new RequestFault.DropAnswer(0, Hangup.RESET));

    commit(connection, SHORT_TIMEOUT, FRESH, without(Guard.PROBE, Guard.TOKEN), seal(0, ROWS));

    assertThat(physical()).isEqualTo(2 * ROWS);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void tokenAlonePreventsDoubledRowsWithinItsWindow(boolean together) throws Exception {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 100");
    proxy.next(1, INSERT, new RequestFault.DropAnswer(0, Hangup.FIN));
    proxy.next(1, INSERT, new RequestFault.DelayRequest(LONGER));
    proxy.next(1, INSERT, new RequestFault.DeliverTwice(together));

    commit(connection, SHORT_TIMEOUT, FRESH, TOKEN_ONLY, seal(0, ROWS));
    awaitLateCopies();

    assertThat(proxy.pendingFaults()).isZero();
    assertRowsOnce(ROWS);
  }

  @Test
  void otherWriterBeyondTheWindowDoublesNoRow() throws Exception {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 3");
    List<SealedBatch> batches = seal(0, ROWS);
    commit(connection, SHORT_TIMEOUT, FRESH, ALL, batches);
    otherWriter(5);

    commit(connection, SHORT_TIMEOUT, CHECKPOINT, ALL, batches);
    assertRowsOnce(ROWS);

    commit(connection, SHORT_TIMEOUT, CHECKPOINT, TOKEN_ONLY, batches);
    assertThat(physical()).as("with the token alone").isEqualTo(2 * ROWS);
  }

  @Test
  void otherWriterBeyondTheWindowDoublesNoRowOfALostAnswer() throws Exception {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 3");
    proxy.next(1, INSERT, new RequestFault.DropAnswer(0, Hangup.FIN));
    proxy.next(3, "", new RequestFault.AnswerItself(503, "restarting"));
    CompletableFuture<Void> committed = committing(SHORT_TIMEOUT, FRESH, ALL, seal(0, ROWS));
    await().until(() -> physical() > 0);
    otherWriter(5);

    committed.get();

    assertThat(proxy.pendingFaults()).isZero();
    assertRowsOnce(ROWS);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void serverThatReturnsAfterEveryWindowHasTheBatchOnce(boolean taken) throws Exception {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 3");
    BatchLimits shortDeadline = LIMITS.withTimes(TIMEOUT, Duration.ofMillis(500));
    List<SealedBatch> batches = seal(0, ROWS);
    proxy.next(
        1,
        INSERT,
        taken
            ? new RequestFault.DropAnswer(0, Hangup.RESET)
            : new RequestFault.CutRequest(Position.IN_BODY, Hangup.RESET));
    proxy.next(Integer.MAX_VALUE, CLOSING, new RequestFault.AnswerItself(503, "away"));
    assertGivesUp(shortDeadline, FRESH, batches);
    proxy.heal();
    proxy.network(Condition.REFUSING);
    for (int restart = 0; restart < 3; restart++) {
      assertGivesUp(shortDeadline, CHECKPOINT, batches);
    }
    assertThat(physical()).isEqualTo(taken ? ROWS : 0);
    otherWriter(5);

    proxy.heal();
    commit(connection, SHORT_TIMEOUT, CHECKPOINT, ALL, batches);

    assertRowsOnce(ROWS);
  }

  private void assertGivesUp(BatchLimits limits, long restoredFrom, List<SealedBatch> batches) {
    assertThatThrownBy(() -> commit(connection, limits, restoredFrom, ALL, batches))
        .isInstanceOf(IOException.class)
        .isNotInstanceOf(BatchRefusedException.class)
        .hasMessageContaining(batches.get(0).place())
        .hasMessageContaining("Nothing is lost");
  }

  @Test
  void flappingConnectionLosesAndDoublesNoRow() throws Exception {
    CompletableFuture<Void> committed = committing(SHORT_TIMEOUT, FRESH, ALL, seal(0, 20 * ROWS));
    for (int round = 0; round < 4; round++) {
      long bytes = proxy.counts().bytesToServer();
      await().until(() -> committed.isDone() || proxy.counts().bytesToServer() > bytes + 30_000);
      proxy.network(round % 2 == 0 ? Condition.REFUSING : Condition.STALLED);
      proxy.hangUp(round % 2 == 0 ? Hangup.RESET : Hangup.FIN);
      long refused = proxy.counts().connections();
      await().until(() -> committed.isDone() || proxy.counts().connections() > refused);
      proxy.heal();
    }
    committed.get();

    assertRowsOnce(20 * ROWS);
  }

  @Test
  void slowConnectionSucceedsWithinTheTimeout() throws Exception {
    proxy.network(Condition.throttledTo(20_000));

    commit(connection, LIMITS, FRESH, ALL, seal(0, ROWS));

    assertThat(proxy.counts().bytesToServer()).isGreaterThan(5_000);
    assertRowsOnce(ROWS);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void randomFaultsLoseAndDoubleNoRow(long seed) throws Exception {
    Random random = new Random(seed);
    List<RequestFault> faults = faultsOfOneRequest().toList();
    List<SealedBatch> batches = seal(0, 4 * ROWS);
    for (int i = 0; i < 12; i++) {
      proxy.next(1, random.nextBoolean() ? INSERT : "", faults.get(random.nextInt(faults.size())));
    }

    commit(connection, SHORT_TIMEOUT, FRESH, ALL, batches);
    commit(connection, SHORT_TIMEOUT, CHECKPOINT, ALL, batches);
    awaitLateCopies();

    assertThat(proxy.counts().faults()).isGreaterThan(6);
    assertRowsOnce(4 * ROWS);
  }

  private CompletableFuture<Void> committing(
      BatchLimits limits, long restoredFrom, Set<Guard> guards, List<SealedBatch> batches) {
    return CompletableFuture.runAsync(
        () -> {
          try {
            commit(connection, limits, restoredFrom, guards, batches);
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }

  /** Inserts blocks with other tokens, which are not our batches. */
  private void otherWriter(int blocks) {
    for (int block = 0; block < blocks; block++) {
      database.query(
          "INSERT INTO readings SETTINGS async_insert = 0, insert_deduplication_token = 'o%d'"
                  .formatted(block)
              + " VALUES (%d, 202611, 'another', 1, 'another')".formatted(-1 - block));
    }
  }

  /** Waits until the server has answered every request, or its connection is closed. */
  private void awaitLateCopies() {
    await().until(() -> proxy.inFlight() == 0);
  }

  private long physical() {
    return database.count("SELECT count() FROM readings WHERE sensor >= 0");
  }

  private void assertRowsOnce(long rows) {
    assertThat(
            database.query(
                "SELECT count(), uniqExact(sensor), sum(sensor) FROM readings WHERE sensor >= 0"))
        .isEqualTo(rows + "\t" + rows + "\t" + rows * (rows - 1) / 2);
  }
}
