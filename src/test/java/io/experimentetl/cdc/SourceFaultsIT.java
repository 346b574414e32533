package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.experimentetl.faults.Condition;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.faults.Hangup;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.UserRow;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.stream.IntStream;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.cdc.connectors.base.source.meta.split.StreamSplit;
import org.apache.flink.cdc.connectors.postgres.source.offset.PostgresOffset;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.util.ExceptionUtils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.PGProperty;
import org.postgresql.replication.PGReplicationStream;

/** Faults and changes of the source while the job reads it, on a real PostgreSQL. */
class SourceFaultsIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(2)
              .build());

  /** The sessions that requested the slot while another one holds it. */
  /**
   * The server's log says whom it refused: such a session is gone before a look at it would see it.
   */
  private static final String REFUSED_READERS =
      """
      SELECT position(convert_to('replication slot "' || current_database() || '" is active', 'UTF8')
        in pg_read_binary_file('../postgres.log'))""";

  private JobClient job;
  private Ledger.View view;

  @AfterEach
  void endTheJob() throws Exception {
    if (job != null) {
      job.cancel().get();
    }
  }

  private void start(PostgresSourceSettings settings) throws Exception {
    job = PostgresChangesIT.start(settings, settings.slot(), Duration.ofMillis(100));
    view = Ledger.view(settings.slot());
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
  }

  private static SourceDatabase database(String name) throws SQLException {
    SourceDatabase database = SourceDatabase.create(PLATFORM, name);
    database.fill(1);
    return database;
  }

  private static void insert(SourceDatabase database, String type, String time)
      throws SQLException {
    database.execute(
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) VALUES ("
            + time
            + ", 1, 'u1', '"
            + type
            + "')");
  }

  private static void insert(SourceDatabase database, String type) throws SQLException {
    insert(database, type, "now()");
  }

  private static boolean isUpdateOfAnEvent(Change change) {
    return change.kind() == ChangeKind.UPDATE && change.after() instanceof EventRow;
  }

  private void awaitEvents(String... types) {
    await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(
            () -> assertThat(PostgresChangesIT.eventTypes(view.changes)).containsExactly(types));
  }

  @Test
  void newPartitionIsReadAndDroppedOrDetachedPartitionDeletesNothing() throws Exception {
    SourceDatabase database = database("partitions");
    start(database.settings());
    database.execute(
        "SELECT create_events_partition('2031-01-01'), create_events_partition('2031-02-28')");
    insert(database, "in January", "'2031-01-15 12:00+00'");
    insert(database, "in February", "'2031-02-15 12:00+00'");
    database.execute("UPDATE events SET session_id = 's' WHERE event_type = 'in January'");
    awaitEvents("in January", "in February", "in January");
    database.execute("DROP TABLE events_2031_01");
    database.execute("ALTER TABLE events DETACH PARTITION events_2031_02");
    database.execute("UPDATE events_2031_02 SET event_type = 'of nobody'");
    insert(database, "fence");
    awaitEvents("in January", "in February", "in January", "fence");
    assertThat(view.changes).extracting(Change::kind).doesNotContain(ChangeKind.DELETE);
    assertThat(view.changes)
        .filteredOn(SourceFaultsIT::isUpdateOfAnEvent)
        .extracting(Change::before)
        .hasOnlyElementsOfType(EventRow.class);
  }

  @Test
  void columnAddedOrDroppedAtRunTimeLeavesOtherColumnsUnchanged() throws Exception {
    SourceDatabase database = database("columns");
    start(database.settings());
    insert(database, "before");
    database.execute("ALTER TABLE events ADD COLUMN note text DEFAULT 'n'");
    insert(database, "wider");
    database.execute("UPDATE events SET note = 'm', request_id = 'r1' WHERE event_type = 'wider'");
    database.execute("ALTER TABLE events DROP COLUMN note");
    insert(database, "as before");
    awaitEvents("before", "wider", "wider", "as before");
    assertThat(view.changes)
        .filteredOn(SourceFaultsIT::isUpdateOfAnEvent)
        .extracting(Change::after)
        .extracting(row -> ((EventRow) row).requestId())
        .containsExactly("r1");
    assertThat(view.changes).extracting(Change::sequenceNumber).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void restartAndKillOfTheServerLoseAndRepeatNoRow() throws Exception {
    SourceDatabase database = database("restarted");
    start(database.settings());
    insert(database, "before");
    PLATFORM.postgres().stop();
    PLATFORM.postgres().start();
    insert(database, "between");
    awaitEvents("before", "between");
    insert(database, "unread");
    PLATFORM.postgres().kill9();
    PLATFORM.postgres().start();
    insert(database, "after");
    awaitEvents("before", "between", "unread", "after");
  }

  @Test
  void brokenConnectionLosesAndRepeatsNoRow() throws Exception {
    SourceDatabase database = database("cut");
    PostgresSourceSettings direct = database.settings();
    try (FaultProxy line = FaultProxy.to(direct.host(), direct.port())) {
      start(database.settings(line.port(), direct.heartbeatInterval(), direct.splitSize()));
      int events = 0;
      for (int cut = 0; cut < 6; cut++) {
        int starts = view.starts.get();
        line.hangUpAfter(
            FaultProxy.Direction.TO_CLIENT,
            100 + cut * 377L,
            cut % 2 == 0 ? Hangup.RESET : Hangup.FIN);
        while (view.starts.get() == starts) {
          insert(database, Integer.toString(events++));
          if (events % 50 == 0) {
            // After every kind of interruption the reader's own connection is next.
            line.hangUp(Hangup.RESET);
          }
        }
      }
      line.network(Condition.REFUSING);
      line.hangUp(Hangup.RESET);
      insert(database, Integer.toString(events++));
      line.heal();
      awaitEvents(IntStream.range(0, events).mapToObj(Integer::toString).toArray(String[]::new));
    }
  }

  private static RunningTask stream(
      SourceDatabase database, int port, Map<String, String> offset, Duration longestSilence) {
    return new RunningTask(
        new StreamTask(
            new StreamSplit(
                StreamSplit.STREAM_SPLIT_ID,
                PostgresOffset.of(offset),
                PostgresOffset.NO_STOPPING_OFFSET,
                List.of(),
                Map.of(),
                0),
            database.settings(port, Duration.ofMillis(200), 100_000),
            longestSilence));
  }

  private static final Map<String, String> OF_THE_SNAPSHOT =
      Map.of("lsn", Long.toString(Long.MAX_VALUE));

  private static void awaitSilenceNoticed(RunningTask task) throws Exception {
    await().atMost(Duration.ofSeconds(20)).until(task::isDone);
    assertThat(task.failure())
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("08006"))
        .hasMessageContaining("has sent nothing for 2 s")
        .hasMessageContaining("check the network");
  }

  private static void insertLargeUsers(SourceDatabase database, int users, int bytes)
      throws SQLException {
    database.execute(
        "INSERT INTO users (user_id, properties) SELECT 'large' || n, to_jsonb(repeat('x', "
            + bytes
            + ")) FROM generate_series(1, "
            + users
            + ") n");
  }

  /** The network has lost the connection's state: nothing arrives, and nothing is closed. */
  @Test
  void serverThatHasGoneSilentIsGivenUp() throws Exception {
    SourceDatabase database = database("silent");
    Duration silence = Duration.ofSeconds(2);
    try (FaultProxy line = FaultProxy.to(database.settings().host(), database.settings().port())) {
      try (RunningTask task = stream(database, line.port(), OF_THE_SNAPSHOT, silence)) {
        await().atMost(Duration.ofSeconds(30)).until(() -> !task.poll().isEmpty());
        // An idle server answers each status.
        await()
            .during(silence.plusSeconds(1))
            .atMost(silence.multipliedBy(4))
            .until(() -> !task.isDone());
        line.network(Condition.STALLED);
        awaitSilenceNoticed(task);
      }
      line.heal();
      try (RunningTask task = stream(database, line.port(), OF_THE_SNAPSHOT, silence)) {
        await().atMost(Duration.ofSeconds(30)).until(() -> !task.poll().isEmpty());
        // A message that takes longer than the longest silence is none.
        line.network(Condition.throttledTo(500_000));
        long before = line.counts().bytesToClient();
        insertLargeUsers(database, 1, 5_000_000);
        await()
            .atMost(Duration.ofSeconds(30))
            .until(() -> line.counts().bytesToClient() > before + 1_700_000);
        assertThat(task.isDone()).isFalse();
        line.network(Condition.STALLED);
        awaitSilenceNoticed(task);
      }
    }
  }

  @Test
  void readerThatWaitsForTheJobDoesNotTakeTheServerForSilent() throws Exception {
    SourceDatabase database = database("busy");
    try (RunningTask task =
        stream(database, database.settings().port(), OF_THE_SNAPSHOT, Duration.ofSeconds(2))) {
      // Each row fills a batch, and the queue holds eight.
      insertLargeUsers(database, 20, 1_100_000);
      await()
          .during(Duration.ofSeconds(4))
          .atMost(Duration.ofSeconds(20))
          .until(() -> !task.isDone());
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() -> task.poll().stream().filter(SourceFaultsIT::isLargeUser).count() == 20);
    }
  }

  private static boolean isLargeUser(Change change) {
    return change.after() instanceof UserRow user && user.userId().startsWith("large");
  }

  /** The offset is one of a chunk, or of a reader that has seen no commit: it has no lsn_commit. */
  @Test
  void firstStreamBeginsWhereTheSlotStandsAndNamesNoPositionBelow() throws Exception {
    SourceDatabase database = database("floor");
    try (Connection early = database.connect();
        Statement statement = early.createStatement()) {
      early.setAutoCommit(false);
      statement.execute("INSERT INTO users (user_id) VALUES ('large early')");
      insert(database, "before");
      database.execute(
          "SELECT pg_replication_slot_advance('" + database.slot() + "', pg_current_wal_lsn())");
      early.commit();
    }
    long confirmed =
        database.number(
            "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = current_database()");
    String end = Long.toString(database.number("SELECT pg_current_wal_lsn() - '0/0'"));
    try (RunningTask task =
        stream(database, database.settings().port(), Map.of("lsn", end), Duration.ofMinutes(1))) {
      await().atMost(Duration.ofSeconds(30)).until(() -> !task.poll().isEmpty());
      assertThat(task.changes()).singleElement().matches(SourceFaultsIT::isLargeUser);
      assertThat(task.changes().get(0).position().lsn()).isLessThan(confirmed);
      assertThat((Long) task.records.get(0).sourceOffset().get("lsn")).isEqualTo(confirmed);
    }
  }

  @Test
  void slotThatWasAdvancedWhileTheSnapshotWasReadIsRefused() throws Exception {
    SourceDatabase database = database("advanced");
    String before =
        Long.toString(
            database.number(
                "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = current_database()"));
    database.execute(
        "SELECT pg_replication_slot_advance('" + database.slot() + "', pg_current_wal_lsn())");
    try (RunningTask task =
        stream(
            database, database.settings().port(), Map.of("lsn", before), Duration.ofMinutes(1))) {
      await().atMost(Duration.ofSeconds(30)).until(task::isDone);
      assertThat(task.failure())
          .isInstanceOf(SuppressRestartsException.class)
          .rootCause()
          .hasMessageContaining("advanced by another process while the snapshot was read")
          .hasMessageContaining("resync");
    }
  }

  @Test
  void jobWaitsForASlotThatADeadReaderStillHolds() throws Exception {
    SourceDatabase database = database("zombie");
    insert(database, "in the snapshot");
    Properties properties = new Properties();
    PGProperty.USER.set(properties, database.settings().username());
    PGProperty.PASSWORD.set(properties, database.password());
    PGProperty.REPLICATION.set(properties, "database");
    PGProperty.ASSUME_MIN_SERVER_VERSION.set(properties, "16");
    PGProperty.PREFER_QUERY_MODE.set(properties, "simple");
    try (Connection zombie =
        DriverManager.getConnection(
            "jdbc:postgresql://" + database.settings().place(), properties)) {
      PGReplicationStream stream =
          zombie
              .unwrap(PGConnection.class)
              .getReplicationAPI()
              .replicationStream()
              .logical()
              .withSlotName(database.slot())
              .withSlotOption("proto_version", "1")
              .withSlotOption("publication_names", "experiment_etl")
              .start();
      assertThat(stream.isClosed()).isFalse();
      job = PostgresChangesIT.start(database.settings(), database.slot(), Duration.ofMillis(100));
      view = Ledger.view(database.slot());
      insert(database, "meanwhile");
      // The snapshot needs no slot: up to here the job runs without it.
      await()
          .atMost(Duration.ofSeconds(60))
          .until(() -> PostgresChangesIT.eventTypes(view.changes).contains("in the snapshot"));
      await().atMost(Duration.ofSeconds(60)).until(() -> database.number(REFUSED_READERS) > 0);
    }
    insert(database, "afterwards");
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> PostgresChangesIT.eventTypes(view.changes).contains("afterwards"));
    assertThat(List.copyOf(PostgresChangesIT.eventTypes(view.changes)))
        .contains("in the snapshot", "meanwhile", "afterwards");
    assertThat(view.starts).as("starts of the job, which waits and does not fail").hasValue(1);
  }

  /** The cause with which the job has ended for good. */
  private Throwable failure() {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> job.getJobStatus().get() == JobStatus.FAILED);
    Throwable failure = catchThrowable(() -> job.getJobExecutionResult().get());
    job = null;
    return ExceptionUtils.findThrowable(failure, SuppressRestartsException.class)
        .map(Throwable::getCause)
        .orElseThrow(() -> new AssertionError("restarts were not suppressed", failure));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void droppedPublicationEndsTheJobWithItsRemedy(boolean createdAgain) throws Exception {
    SourceDatabase database = database(createdAgain ? "published_again" : "unpublished");
    start(database.settings());
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("BEGIN");
      statement.execute("DROP PUBLICATION experiment_etl");
      statement.execute("INSERT INTO users (user_id) VALUES ('unpublished')");
      statement.execute("COMMIT");
    }
    if (createdAgain) {
      database.apply("002_etl.sql");
    }
    insert(database, "afterwards");
    assertThat(failure())
        .hasMessageContaining("The publication experiment_etl does not exist in PostgreSQL")
        .hasMessageContaining("or did not exist when a change was written")
        .hasMessageContaining("apply sql/postgres/002_etl.sql")
        .hasMessageContaining("resync");
  }

  @Test
  void jobThatFindsNoPublicationAtItsStartNamesIt() throws Exception {
    SourceDatabase database = database("never_published");
    database.execute("DROP PUBLICATION experiment_etl");
    job = PostgresChangesIT.start(database.settings(), database.slot(), Duration.ofMillis(100));
    assertThat(failure())
        .hasMessageContaining("The publication experiment_etl")
        .hasMessageContaining("is missing: apply sql/postgres/002_etl.sql");
  }

  private static SourceDatabase withEncoding(String name, String encoding) throws SQLException {
    PostgresEndpoint neighbour = PLATFORM.newPostgresDatabase(name);
    String database = neighbour.database() + "_encoded";
    SourceDatabase.at(neighbour)
        .execute(
            "CREATE DATABASE "
                + database
                + " ENCODING '"
                + encoding
                + "' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    SourceDatabase encoded = SourceDatabase.at(neighbour.withDatabase(database));
    encoded.apply("001_platform.sql");
    encoded.apply("002_etl.sql");
    encoded.applySlot();
    return encoded;
  }

  @Test
  void databaseWithoutAnEncodingIsRefusedBeforeItIsRead() throws Exception {
    SourceDatabase database = withEncoding("ascii", "SQL_ASCII");
    assertThat(PostgresPreflight.check(database.settings(), false, false))
        .singleElement()
        .asString()
        .contains(database.settings().place(), "the encoding SQL_ASCII", "ENCODING 'UTF8'");
    job = PostgresChangesIT.start(database.settings(), database.slot(), Duration.ofMillis(100));
    assertThat(failure())
        .hasMessageContaining("the encoding SQL_ASCII")
        .hasMessageContaining("source.database");
  }

  @ParameterizedTest
  @ValueSource(strings = {"LATIN1", "WIN1252"})
  void textOfAnotherEncodingIsReadAsItsCharacters(String encoding) throws Exception {
    SourceDatabase database = withEncoding(encoding.toLowerCase(Locale.ROOT), encoding);
    database.fill(1);
    insert(database, "Andr\u00e9 in the snapshot");
    start(database.settings());
    insert(database, "Andr\u00e9 in the stream");
    // The stream begins where the slot was made, and shows the first row again.
    awaitEvents(
        "Andr\u00e9 in the snapshot", "Andr\u00e9 in the snapshot", "Andr\u00e9 in the stream");
  }
}
