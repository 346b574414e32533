package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HeartbeatRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.model.UserRow;
import io.experimentetl.operations.RetentionSql;
import io.experimentetl.tls.ServerTls;
import io.experimentetl.warehouse.WarehouseRange;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.util.ExceptionUtils;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The source and the continuity step on a real PostgreSQL. */
class PostgresChangesIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(4)
              .build());

  @TempDir static Path SAVEPOINTS;

  static JobClient start(PostgresSourceSettings settings, String ledger, Duration checkpoints)
      throws Exception {
    return Connector.OURS.start(settings, ledger, checkpoints);
  }

  @Test
  void snapshotAndStreamArriveAndTheSnapshotsEndIsKnown() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "smoke");
    database.fill(10);
    insertEvent(database, "u1", "before");
    JobClient job = start(database.settings(), "smoke", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("smoke");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    insertEvent(database, "u2", "after");
    await().atMost(Duration.ofSeconds(10)).until(() -> eventTypes(view.changes).contains("after"));
    // The stream starts where the slot stands: it shows again what the snapshot has read.
    assertThat(eventTypes(view.changes)).containsExactly("before", "before", "after");
    assertThat(view.changes.stream().filter(c -> c.table() == SourceTable.USERS)).hasSize(20);
    assertThat(view.changes).extracting(Change::sequenceNumber).isSorted().doesNotHaveDuplicates();
    job.cancel().get();
  }

  @Test
  void smallTablesAreReadFirst() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "ordered");
    database.fill(3);
    insertEvent(database, "u1", "click");
    JobClient job = start(database.settings(), "ordered", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("ordered");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    assertThat(
            view.changes.stream()
                .filter(change -> change.kind() == ChangeKind.READ)
                .map(Change::table)
                .distinct())
        .containsExactly(
            SourceTable.EXPERIMENTS,
            SourceTable.VARIANTS,
            SourceTable.USERS,
            SourceTable.EVENTS,
            SourceTable.ETL_HEARTBEAT);
    job.cancel().get();
  }

  @Test
  void retentionDeletesArriveBehindTheirMarkerAndOtherDeletesHaveTheirRow() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "deletes");
    database.fill(3);
    database.execute(
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) SELECT now() - interval '91 days', 1, 'u1', 'old' FROM generate_series(1, 100)");
    insertEvent(database, "u2", "young");
    JobClient job = start(database.settings(), "deletes", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("deletes");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    database.execute(RetentionSql.WATERMARK);
    database.execute("CALL retention_delete()");
    assertThat(database.number("SELECT count(*) FROM events")).isEqualTo(1);
    database.execute("DELETE FROM users WHERE user_id = 'u2'");
    insertEvent(database, "u3", "fence");
    await().atMost(Duration.ofSeconds(30)).until(() -> eventTypes(view.changes).contains("fence"));
    List<Change> ofRetention =
        view.changes.stream()
            .dropWhile(change -> !isRetentionMarker(change))
            .takeWhile(change -> change.table() != SourceTable.USERS)
            .filter(change -> !isHeartbeatOfTheSource(change))
            .toList();
    assertThat(ofRetention)
        .as("the marker is inserted and deleted before the rows, in their transaction")
        .hasSize(102)
        .extracting(change -> change.position().txId())
        .containsOnly(ofRetention.get(0).position().txId());
    assertThat(ofRetention.get(1).table()).isEqualTo(SourceTable.ETL_HEARTBEAT);
    assertThat(ofRetention.subList(2, 102))
        .allMatch(change -> change.kind() == ChangeKind.DELETE)
        .allMatch(change -> change.table() == SourceTable.EVENTS);
    assertThat(database.number("SELECT count(*) FROM etl_heartbeat WHERE writer <> 'source'"))
        .as("nothing of the marker stays")
        .isZero();
    List<Change> deletes =
        view.changes.stream()
            .dropWhile(change -> change.table() != SourceTable.USERS || change.after() != null)
            .filter(change -> change.kind() == ChangeKind.DELETE)
            .toList();
    assertThat(deletes)
        .extracting(Change::table)
        .containsExactlyInAnyOrder(SourceTable.USERS, SourceTable.EVENTS);
    assertThat(deletes)
        .extracting(change -> change.position().txId())
        .containsOnly(deletes.get(0).position().txId());
    assertThat(deletes)
        .extracting(Change::before)
        .hasAtLeastOneElementOfType(EventRow.class)
        .noneMatch(UnreadableRow.class::isInstance);
    job.cancel().get();
  }

  private static void inOneSession(SourceDatabase database, String... statements)
      throws SQLException {
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  private static boolean isRetentionMarker(Change change) {
    return change.kind() == ChangeKind.INSERT
        && change.after() instanceof HeartbeatRow row
        && row.writer().startsWith(RetentionTransaction.WRITER_PREFIX);
  }

  private static boolean isHeartbeatOfTheSource(Change change) {
    return change.after() instanceof HeartbeatRow row && row.writer().equals("source");
  }

  @Test
  void changesOfEveryOriginAndTruncatesArrive() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "origins");
    database.fill(3);
    JobClient job = start(database.settings(), "origins", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("origins");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    // What the apply worker of a subscription does; an origin belongs to the server, not to a
    // database.
    inOneSession(
        database,
        "SELECT pg_replication_origin_create('upstream_of_origins')",
        "SELECT pg_replication_origin_session_setup('upstream_of_origins')",
        "UPDATE users SET name = 'applied' WHERE user_id = 'u1'",
        "UPDATE experiments SET name = 'applied'",
        "INSERT INTO users (user_id, name) VALUES ('upstream', 'applied')",
        "SELECT pg_replication_origin_session_reset()",
        "SELECT pg_replication_origin_drop('upstream_of_origins')",
        "TRUNCATE events, assignments RESTART IDENTITY",
        "TRUNCATE variants CASCADE");
    insertEvent(database, "u3", "fence");
    await().atMost(Duration.ofSeconds(30)).until(() -> eventTypes(view.changes).contains("fence"));
    assertThat(view.changes)
        .filteredOn(change -> String.valueOf(change.after()).contains("name=applied"))
        .extracting(change -> change.kind() + " " + change.table())
        .containsOnly("UPDATE USERS", "UPDATE EXPERIMENTS", "INSERT USERS");
    List<Change> truncates =
        view.changes.stream().filter(change -> change.kind() == ChangeKind.TRUNCATE).toList();
    assertThat(truncates)
        .extracting(Change::table)
        .containsExactlyInAnyOrder(
            SourceTable.EVENTS,
            SourceTable.ASSIGNMENTS,
            SourceTable.VARIANTS,
            SourceTable.ASSIGNMENTS);
    assertThat(truncates.subList(0, 2))
        .as("one statement")
        .extracting(change -> change.position().lsn())
        .containsOnly(truncates.get(0).position().lsn());
    job.cancel().get();
  }

  /** Long because it compares every column type of snapshot and stream, row by row. */
  @Test
  void everyTypeIsEqualFromSnapshotAndStreamAndOnlyABadRowIsUnreadable() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "types");
    database.fill(1);
    String rows =
        "INSERT INTO events VALUES ('00000000-0000-0000-0000-00000000000%1$s', '2026-11-20 14:03:03.123456+02', 1, 'u1', 2, 'purchase', '1969-12-31 23:59:59.9+00', '{\"revenue\": 1.5}', 's', NULL);"
            + "INSERT INTO users (user_id, created_at) VALUES ('endless%1$s', 'infinity'), ('old%1$s', '0044-03-15 12:00:00+00 BC');"
            + "INSERT INTO experiments (id, key, name, seed, status, starts_at) VALUES (1%1$s, 'e1%1$s', 'N', 's', 'PAUSED', '2026-11-20 00:00:00+05:30');"
            + "INSERT INTO outbox_events (aggregate_id, aggregate_type, event_type, payload) VALUES ('a', 't', 'EVENT_CREATED', '{\"id\": 1}')";
    database.execute("ALTER TABLE assignments ALTER COLUMN source DROP NOT NULL");
    database.execute(rows.formatted("1"));
    JobClient job = start(database.settings(), "types", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("types");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    database.execute(rows.formatted("2"));
    database.execute(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, source) VALUES (1, 'u1', 1, NULL)");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.changes.stream().anyMatch(c -> c.table() == SourceTable.ASSIGNMENTS));
    List<SourceRow> arrived = view.changes.stream().map(Change::after).toList();
    for (String n : List.of("1", "2")) {
      assertThat(arrived)
          .contains(
              TestEvent.of(
                      EventId.of("00000000-0000-0000-0000-00000000000" + n),
                      1795176183123456L,
                      1,
                      "u1",
                      "purchase")
                  .with("variant_id", 2L)
                  .with("assignment_at", -100_000L)
                  .with("properties", "{\"revenue\": 1.5}")
                  .with("session_id", "s")
                  .row());
      assertThat(arrived)
          .anySatisfy(
              row ->
                  assertThat(row)
                      .isInstanceOfSatisfying(
                          UserRow.class,
                          user -> {
                            assertThat(user.userId()).isEqualTo("endless" + n);
                            assertThat(user.createdAt()).isEqualTo(WarehouseRange.LAST);
                          }));
      assertThat(arrived)
          .anySatisfy(
              row ->
                  assertThat(row)
                      .isInstanceOfSatisfying(
                          UserRow.class,
                          user -> {
                            assertThat(user.userId()).isEqualTo("old" + n);
                            assertThat(user.createdAt()).isEqualTo(WarehouseRange.FIRST);
                          }));
      assertThat(arrived)
          .anySatisfy(
              row ->
                  assertThat(row)
                      .isInstanceOfSatisfying(
                          ExperimentRow.class,
                          experiment -> {
                            assertThat(experiment.key()).isEqualTo("e1" + n);
                            assertThat(experiment.status()).isEqualTo("PAUSED");
                            assertThat(experiment.startsAt()).isEqualTo(1795113000000000L);
                            assertThat(experiment.endsAt()).isNull();
                          }));
    }
    assertThat(arrived)
        .anySatisfy(
            row ->
                assertThat(row)
                    .isInstanceOfSatisfying(
                        UnreadableRow.class,
                        unreadable -> {
                          assertThat(unreadable.table()).isEqualTo(SourceTable.ASSIGNMENTS);
                          assertThat(unreadable.code()).isEqualTo(FindingCode.S_NULL_REQUIRED);
                          assertThat(unreadable.column()).isEqualTo("source");
                        }));
    job.cancel().get();
  }

  @Test
  void recreatedOrMissingSlotIsRefusedAndTheOldOneIsAccepted() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "moved");
    database.fill(3);
    PostgresSourceSettings settings = database.settings();
    JobClient job = start(settings, "moved", Duration.ofMillis(250));
    Ledger.View view = Ledger.view("moved");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> view.lastMarker != null && view.lastMarker.snapshotDone());
    insertEvent(database, "u1", "before");
    await().until(() -> eventTypes(view.changes).contains("before"));
    String savepoint =
        job.stopWithSavepoint(false, SAVEPOINTS.toString(), SavepointFormatType.CANONICAL).get();

    insertEvent(database, "u1", "meanwhile");
    JobClient resumed = Connector.OURS.startFrom(savepoint, settings, "moved");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> eventTypes(view.changes).contains("meanwhile"));
    assertThat(eventTypes(view.changes)).containsExactly("before", "meanwhile");
    long position = lastLsn(view.changes);
    await().atMost(Duration.ofSeconds(30)).until(() -> confirmed(database) > position);
    String second =
        resumed
            .stopWithSavepoint(false, SAVEPOINTS.toString(), SavepointFormatType.CANONICAL)
            .get();
    assertThat(failure(Connector.OURS.startFrom(savepoint, settings, "moved")))
        .contains("beyond the job's position")
        .contains("this savepoint is older than the position that a later run confirmed")
        .contains("If the job has a newer checkpoint or savepoint, start from that one");

    awaitSlotIsFree(database);
    database.execute("SELECT pg_drop_replication_slot('" + database.slot() + "')");
    insertEvent(database, "u1", "lost");
    assertThat(failure(Connector.OURS.startFrom(second, settings, "moved")))
        .contains("The replication slot " + database.slot())
        .contains("does not exist")
        .contains("apply the file, and " + Continuity.START_ANEW);
    assertThat(slots(database)).describedAs("the slot was not recreated").isZero();

    database.applySlot();
    assertThat(failure(Connector.OURS.startFrom(second, settings, "moved")))
        .contains("beyond the job's position")
        .contains("was recreated or advanced by another process");
  }

  @Test
  void stockConnectorSilentlyLosesRowsWhenTheSlotIsGoneOrBeyondTheSavepoint() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "silent");
    database.fill(3);
    PostgresSourceSettings settings = database.settings();
    JobClient job = Connector.STOCK.start(settings, "silent", Duration.ofMillis(250));
    awaitStreamed(database, "silent", "before");
    String savepoint =
        job.stopWithSavepoint(false, SAVEPOINTS.toString(), SavepointFormatType.CANONICAL).get();
    awaitSlotIsFree(database);
    insertEvent(database, "u1", "passed over");
    database.execute(
        "SELECT pg_replication_slot_advance('" + database.slot() + "', pg_current_wal_lsn())");
    JobClient older = Connector.STOCK.startFrom(savepoint, settings, "silent");
    awaitStreamed(database, "silent", "after the advance");
    String second =
        older.stopWithSavepoint(false, SAVEPOINTS.toString(), SavepointFormatType.CANONICAL).get();
    awaitSlotIsFree(database);
    database.execute("SELECT pg_drop_replication_slot('" + database.slot() + "')");
    insertEvent(database, "u1", "without a slot");
    JobClient dropped = Connector.STOCK.startFrom(second, settings, "silent");
    await().atMost(Duration.ofSeconds(30)).until(() -> slots(database) == 1);
    awaitStreamed(database, "silent", "after the drop");
    assertThat(eventTypes(Ledger.view("silent").changes))
        .contains("before", "after the advance", "after the drop")
        .doesNotContain("passed over", "without a slot");
    dropped.cancel().get();
  }

  /** Writes such an event until one has arrived from the stream. */
  private static void awaitStreamed(SourceDatabase database, String ledger, String type) {
    Ledger.View view = Ledger.view(ledger);
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              insertEvent(database, "u1", type);
              return view.changes.stream()
                  .anyMatch(
                      change ->
                          change.kind() == ChangeKind.INSERT
                              && change.after() instanceof EventRow event
                              && event.eventType().equals(type));
            });
  }

  private static long lastLsn(List<Change> changes) {
    return changes.stream().mapToLong(change -> change.position().lsn()).max().orElseThrow();
  }

  private static long confirmed(SourceDatabase database) throws SQLException {
    return database.number(
        "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = '"
            + database.slot()
            + "'");
  }

  private static long slots(SourceDatabase database) throws SQLException {
    return database.number(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '" + database.slot() + "'");
  }

  private static void awaitSlotIsFree(SourceDatabase database) {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(
            () ->
                database.number(
                        "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '"
                            + database.slot()
                            + "'")
                    == 0);
  }

  /** The chain of messages of a job that must fail for good. */
  private static String failure(JobClient job) {
    Throwable thrown = catchThrowable(() -> job.getJobExecutionResult().get(60, TimeUnit.SECONDS));
    assertThat(thrown).isInstanceOf(ExecutionException.class);
    return ExceptionUtils.stringifyException(thrown);
  }

  @Test
  void jobGraphDoesNotContainThePassword() throws Exception {
    // The job is only built; it connects to no server.
    String password = "s3cret-" + UUID.randomUUID();
    Path file = Files.writeString(SAVEPOINTS.resolve("password"), password);
    String path = file.toString();
    PostgresSourceSettings settings =
        new PostgresSourceSettings(
            "localhost",
            1,
            "db",
            SourceMapping.defaults("public"),
            "etl",
            () -> readFirstLine(path),
            ServerTls.PREFERRED,
            "experiment_etl",
            "experiment_etl",
            Duration.ofSeconds(10),
            100_000,
            true);
    StreamExecutionEnvironment environment = Connector.environment(Duration.ofMillis(250));
    PostgresChanges.attach(environment, settings)
        .changes()
        .sinkTo(new DiscardingSink<>())
        .uid("sink");
    byte[] graph = InstantiationUtil.serializeObject(environment.getStreamGraph().getJobGraph());
    assertThat(new String(graph, StandardCharsets.ISO_8859_1))
        .contains("PostgresSourceSettings")
        .doesNotContain(password);
  }

  private static String readFirstLine(String path) {
    try {
      return Files.readString(Path.of(path));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void insertEvent(SourceDatabase database, String user, String type) throws SQLException {
    database.execute(
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) VALUES (now(), 1, '"
            + user
            + "', '"
            + type
            + "')");
  }

  static List<String> eventTypes(List<Change> changes) {
    return changes.stream()
        .filter(change -> change.after() instanceof EventRow)
        .map(change -> ((EventRow) change.after()).eventType())
        .toList();
  }
}
