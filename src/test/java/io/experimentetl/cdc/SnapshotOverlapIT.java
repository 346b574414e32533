package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.debezium.connector.base.ChangeEventQueue;
import io.debezium.relational.TableId;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.apache.flink.cdc.connectors.base.source.meta.split.StreamSplit;
import org.apache.flink.cdc.connectors.postgres.source.offset.PostgresOffset;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Transactions that are open, or committed and not yet visible, at the end of a snapshot's chunk.
 * The stock connector drops from the stream every change of the chunk's rows with an LSN below the
 * chunk's end, although its transaction committed later and the chunk cannot contain it.
 */
class SnapshotOverlapIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @RegisterExtension
  static final MiniClusterExtension CLUSTER =
      new MiniClusterExtension(
          new MiniClusterResourceConfiguration.Builder()
              .setNumberTaskManagers(1)
              .setNumberSlotsPerTaskManager(2)
              .build());

  private JobClient job;
  private Ledger.View view;

  @AfterEach
  void endTheJob() throws Exception {
    if (job != null) {
      job.cancel().get();
    }
  }

  private void start(Connector connector, PostgresSourceSettings settings) throws Exception {
    job = connector.start(settings, settings.slot(), Duration.ofMillis(100));
    view = Ledger.view(settings.slot());
  }

  /** Long because its steps are one interleaving of a transaction with a snapshot. */
  @ParameterizedTest
  @EnumSource
  void transactionOpenAtAChunksEndArrivesAndTheStockConnectorLosesIt(Connector connector)
      throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "open");
    database.fill(100);
    String reader = database.slot() + "_reader";
    // While this session holds the lock, the job's query of a chunk waits at u50.
    database.execute(
        """
        CREATE ROLE %1$s LOGIN REPLICATION PASSWORD 'reads' IN ROLE experiment_etl;
        CREATE FUNCTION stand_still() RETURNS boolean LANGUAGE plpgsql AS
        $$
        BEGIN
            IF current_query() LIKE 'SELECT * FROM %%' OR current_query() LIKE 'COPY (SELECT %%' THEN
                PERFORM pg_advisory_xact_lock_shared(1);
            END IF;
            RETURN true;
        END
        $$;
        ALTER TABLE users ENABLE ROW LEVEL SECURITY;
        CREATE POLICY gate ON users FOR SELECT TO %1$s USING (user_id <> 'u50' OR stand_still());
        """
            .formatted(reader));
    try (Connection gate = database.connect();
        Statement key = gate.createStatement();
        Connection open = database.connect();
        Statement writer = open.createStatement()) {
      key.execute("SELECT pg_advisory_lock(1)");
      start(connector, database.as(reader, "reads").settings());
      await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () ->
                  database.number(
                          "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
                      == 1);
      open.setAutoCommit(false);
      writer.execute("UPDATE users SET name = 'late' WHERE user_id = 'u1'");
      writer.execute("INSERT INTO users (user_id, name) VALUES ('u1x', 'late')");
      // The end of the WAL, which becomes the chunk's end, moves beyond both rows.
      PostgresChangesIT.insertEvent(database, "u2", "meanwhile");
      key.execute("SELECT pg_advisory_unlock(1)");
      await()
          .atMost(Duration.ofSeconds(60))
          .until(
              () -> {
                // A chunk's backfill ends at a row after its end.
                PostgresChangesIT.insertEvent(database, "u2", "tick");
                return names(view.changes).size() == 100;
              });
      open.commit();
    }
    awaitFence(database);
    Map<String, String> expected = names(database);
    assertThat(expected).containsEntry("u1", "late").containsEntry("u1x", "late").hasSize(101);
    if (connector == Connector.STOCK) {
      expected.put("u1", "null");
      expected.remove("u1x");
    }
    assertThat(names(view.changes)).isEqualTo(expected);
  }

  /**
   * A commit that waits for a synchronous standby is written to the log and visible to no one: it
   * lies before the end of the log at which the connector would begin the stream, and in no chunk.
   * (The stock connector waits with it: its backfill makes a slot.)
   */
  @Test
  void commitThatWaitsForAStandbyArrives() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "standby");
    database.fill(10);
    ExecutorService thread = Executors.newSingleThreadExecutor();
    setStandby(database, "nobody", "local");
    try {
      Future<?> waiting =
          thread.submit(
              () -> {
                try (Connection connection = database.connect();
                    Statement statement = connection.createStatement()) {
                  statement.execute("SET synchronous_commit = on");
                  statement.execute("INSERT INTO users (user_id, name) VALUES ('u11', 'waits')");
                }
                return null;
              });
      await()
          .atMost(Duration.ofSeconds(30))
          .until(
              () ->
                  database.number(
                          "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()")
                      == 1);
      start(Connector.OURS, database.settings());
      awaitFence(database);
      assertThat(names(database)).doesNotContainKey("u11");
      setStandby(database, "", "on");
      waiting.get();
      awaitFence(database);
    } finally {
      setStandby(database, "", "on");
      thread.shutdownNow();
    }
    Map<String, String> expected = names(database);
    assertThat(expected).containsEntry("u11", "waits").hasSize(11);
    assertThat(names(view.changes)).isEqualTo(expected);
  }

  private static void setStandby(SourceDatabase database, String name, String defaultCommit)
      throws SQLException {
    for (String statement :
        List.of(
            "ALTER SYSTEM SET synchronous_commit = " + defaultCommit,
            "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'",
            "SELECT pg_reload_conf()")) {
      database.execute(statement);
    }
    await()
        .atMost(Duration.ofSeconds(30))
        .until(
            () ->
                database.number(
                        "SELECT count(*) FROM pg_settings WHERE (name = 'synchronous_standby_names' AND setting = '"
                            + name
                            + "') OR (name = 'synchronous_commit' AND setting = '"
                            + defaultCommit
                            + "')")
                    == 2);
  }

  @ParameterizedTest
  @EnumSource
  void shortTransactionsOf16ClientsArriveAndSomeAreLostByTheStockConnector(Connector connector)
      throws Exception {
    int users = 5_000;
    SourceDatabase database = SourceDatabase.create(PLATFORM, "clients");
    database.fill(users);
    database.execute("ANALYZE users");
    start(connector, database.settings(Duration.ofMillis(200), 1_000));
    int clients = 16;
    AtomicBoolean done = new AtomicBoolean();
    ExecutorService writers = Executors.newFixedThreadPool(clients);
    List<Future<Integer>> writing = new ArrayList<>();
    for (int client = 0; client < clients; client++) {
      int number = client;
      writing.add(writers.submit(() -> insertUsers(database, users, number, done)));
    }
    // As soon as the stream is read, all chunks have ended.
    await()
        .atMost(Duration.ofMinutes(2))
        .until(
            () ->
                view.changes.stream()
                    .anyMatch(
                        change ->
                            change.kind() == ChangeKind.INSERT
                                && change.after() instanceof UserRow));
    done.set(true);
    int transactions = 0;
    for (Future<Integer> future : writing) {
      transactions += future.get();
    }
    writers.shutdown();
    awaitFence(database);
    Map<String, String> missing = names(database);
    assertThat(missing).hasSize(users + transactions);
    missing.keySet().removeAll(names(view.changes).keySet());
    if (connector == Connector.STOCK) {
      assertThat(missing).isNotEmpty();
    } else {
      assertThat(missing).isEmpty();
    }
  }

  private static int insertUsers(SourceDatabase database, int users, int client, AtomicBoolean done)
      throws SQLException {
    int transactions = 0;
    try (Connection connection = database.connect();
        PreparedStatement insert =
            connection.prepareStatement("INSERT INTO users (user_id, name) VALUES (?, 'new')");
        PreparedStatement work = connection.prepareStatement("SELECT pg_sleep(0.01)")) {
      connection.setAutoCommit(false);
      while (!done.get()) {
        // Spread over all chunks: 7919 is prime.
        String near = "u" + (1 + (client * 313L + transactions * 7919L) % users);
        insert.setString(1, near + "-" + client + "-" + transactions);
        insert.executeUpdate();
        work.executeQuery().close();
        connection.commit();
        transactions++;
      }
    }
    return transactions;
  }

  private static PostgresSourceSettings inSmallChunks(SourceDatabase database) {
    return database.settings(Duration.ofMillis(200), 500);
  }

  private static List<SnapshotSplit> chunks(PostgresSourceSettings settings, SourceTable table)
      throws SQLException {
    return new LeafSplitter(settings)
        .generateSplits(new TableId(null, settings.schema(), table.tableName()));
  }

  /** Their rows move to the leaf's first blocks, which were read already. */
  @ParameterizedTest
  @CsvSource({
    "VACUUM FULL users, false",
    "CLUSTER users USING users_pkey, true",
    "ALTER TABLE users ALTER name TYPE text, false"
  })
  void leafThatIsRewrittenBetweenTwoChunksIsReadAgainOnce(String rewrite, boolean restarted)
      throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "rewritten");
    database.fill(5_000);
    database.execute("ANALYZE users");
    PostgresSourceSettings settings = inSmallChunks(database);
    List<SnapshotSplit> chunks = chunks(settings, SourceTable.USERS);
    assertThat(chunks).hasSizeGreaterThan(4);
    database.execute("DELETE FROM users WHERE substr(user_id, 2)::int <= 2000");
    SnapshotMemory memory = new SnapshotMemory();
    List<Change> first = RunningTask.chunk(chunks.get(0), settings, memory);
    assertThat(first).isEmpty();
    database.execute(rewrite);
    List<Change> rest = new ArrayList<>();
    for (SnapshotSplit chunk : chunks.subList(1, chunks.size())) {
      rest.addAll(RunningTask.chunk(chunk, settings, restarted ? new SnapshotMemory() : memory));
    }
    assertThat(names(rest)).isEqualTo(names(database)).hasSize(3_000);
    assertThat(rest).hasSize(restarted ? 3_000 * (chunks.size() - 1) : 3_000);
  }

  /**
   * Debezium's queue takes one producer: two that find it full wake each other without end, and the
   * reader can be kept from the queue's lock for ever.
   */
  @Test
  @SuppressWarnings("unchecked")
  void connectionsWaitForAReaderThatIsBehindAndGoOn() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "behind");
    database.fill(30_000);
    database.execute("ANALYZE users");
    PostgresSourceSettings settings = database.settings(Duration.ofMillis(200), 40_000);
    SnapshotSplit chunk = chunks(settings, SourceTable.USERS).get(0);
    assertThat(LeafRange.ofSplit(chunk)).hasSizeGreaterThan(1);
    try (RunningTask task =
        new RunningTask(new SnapshotTask(chunk, settings, new SnapshotMemory()))) {
      await().atMost(Duration.ofSeconds(60)).until(() -> task.isQueueFull() && producers() > 0);
      // Both connections have read further meanwhile, and wait.
      await().during(Duration.ofSeconds(1)).until(() -> task.isQueueFull() && producers() == 1);
      assertThat(names(task.awaitEndOfChunk())).isEqualTo(names(database));
    }
  }

  /** The threads that wait for room in a queue of Debezium. */
  private static long producers() {
    return Thread.getAllStackTraces().values().stream()
        .filter(
            stack ->
                Arrays.stream(stack)
                    .anyMatch(
                        frame ->
                            frame.getClassName().equals(ChangeEventQueue.class.getName())
                                && frame.getMethodName().equals("doEnqueue")))
        .count();
  }

  @Test
  void rowThatMovesIntoAChunkThatWasReadArrivesWithTheStream() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "moved");
    database.fill(3_000);
    database.execute("ANALYZE users");
    PostgresSourceSettings settings = inSmallChunks(database);
    List<SnapshotSplit> chunks = chunks(settings, SourceTable.USERS);
    SnapshotMemory memory = new SnapshotMemory();
    int last = chunks.size() - 1;
    List<Change> changes = new ArrayList<>(RunningTask.chunk(chunks.get(last), settings, memory));
    // The new versions lie behind all others: in the last chunk.
    database.execute("UPDATE users SET name = 'moved' WHERE substr(user_id, 2)::int % 3 = 0");
    database.execute("DELETE FROM users WHERE user_id = 'u7'");
    database.execute("INSERT INTO users (user_id, name) VALUES ('u3001', 'new')");
    for (SnapshotSplit chunk : chunks.subList(0, last)) {
      changes.addAll(RunningTask.chunk(chunk, settings, memory));
    }
    assertThat(names(changes)).isNotEqualTo(names(database));
    try (RunningTask stream =
        new RunningTask(
            new StreamTask(
                new StreamSplit(
                    StreamSplit.STREAM_SPLIT_ID,
                    PostgresOffset.of(Map.of("lsn", Long.toString(Long.MAX_VALUE))),
                    PostgresOffset.NO_STOPPING_OFFSET,
                    List.of(),
                    Map.of(),
                    0),
                settings))) {
      await().atMost(Duration.ofSeconds(60)).until(() -> names(stream.poll()).containsKey("u3001"));
      changes.addAll(stream.changes());
    }
    Map<String, String> expected = names(database);
    expected.put("u7", "null");
    assertThat(names(changes)).isEqualTo(expected);
  }

  /** As 002_etl.sql leaves it, the job's role has rights on the partitioned table alone. */
  @Test
  void partitionsAreReadWithoutRightsOnThemAndOnlyWhileTheyArePartitions() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "leaves");
    database.fill(1);
    String reader = database.slot() + "_leaves";
    database.execute(
        """
        CREATE ROLE %s LOGIN REPLICATION PASSWORD 'reads' IN ROLE experiment_etl;
        SELECT create_events_partition('2031-01-01'), create_events_partition('2031-02-01'), create_events_partition('2031-03-01');
        INSERT INTO events (timestamp, experiment_id, user_id, event_type)
            SELECT timestamptz '2031-01-15' + (n %% 3) * interval '28 days', 1, 'u1', 'month ' || n %% 3 FROM generate_series(0, 899) n"""
            .formatted(reader));
    PostgresSourceSettings settings = inSmallChunks(database.as(reader, "reads"));
    List<SnapshotSplit> chunks = chunks(settings, SourceTable.EVENTS);
    database.execute("ALTER TABLE events DETACH PARTITION events_2031_02");
    database.execute("DROP TABLE events_2031_03");
    List<Change> changes = new ArrayList<>();
    for (SnapshotSplit chunk : chunks) {
      changes.addAll(RunningTask.chunk(chunk, settings, new SnapshotMemory()));
    }
    assertThat(PostgresChangesIT.eventTypes(changes)).hasSize(300).containsOnly("month 0");
  }

  @Test
  void chunkGivesTheRowsOfEveryBindingOfItsTable() throws Exception {
    SourceDatabase database = SourceDatabase.create(PLATFORM, "bound");
    database.execute(
        """
        CREATE SCHEMA "Crm";
        CREATE TABLE "Crm"."People" ("Nr" bigint PRIMARY KEY, mail text, state text, since timestamptz, here boolean, unused tsvector);
        INSERT INTO "Crm"."People" SELECT n, 'm' || n, CASE n % 3 WHEN 0 THEN 'live' WHEN 1 THEN 'guest' END, now(), true FROM generate_series(1, 90) n""");
    SourceMapping mapping =
        new SourceMapping(
            "public", List.of(people("Nr", "live", "users"), people("mail", "guest", "guests")));
    PostgresSourceSettings settings = database.settings(mapping);
    assertThat(SourceServer.existingTables(settings))
        .containsExactly(new TableId(null, "Crm", "People"));
    List<Change> changes = new ArrayList<>();
    for (SnapshotSplit chunk :
        new LeafSplitter(settings).generateSplits(new TableId(null, "Crm", "People"))) {
      changes.addAll(RunningTask.chunk(chunk, settings, new SnapshotMemory()));
    }
    Set<String> expected = new TreeSet<>();
    for (int n = 1; n <= 90; n++) {
      if (n % 3 < 2) {
        expected.add(n % 3 == 0 ? Integer.toString(n) : "m" + n);
      }
    }
    assertThat(names(changes).keySet()).isEqualTo(expected);
    assertThat(changes).hasSize(60);
  }

  private static TableBinding people(String userId, String state, String entry) {
    return new TableBinding(
        entry,
        SourceTable.USERS,
        true,
        "Crm",
        "People",
        Map.of(
            "user_id",
            ColumnBinding.column(userId),
            "is_active",
            ColumnBinding.column("here"),
            "created_at",
            ColumnBinding.column("since"),
            "updated_at",
            ColumnBinding.column("since")),
        new RowFilter(List.of(new RowFilter.Condition("state", Set.of(state), false, false))));
  }

  /** All that committed before has been read, and passed on or not. */
  private void awaitFence(SourceDatabase database) {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(
            () -> {
              // Before the stream is read, a row arrives with the snapshot.
              PostgresChangesIT.insertEvent(database, "u2", "fence");
              return view.changes.stream().anyMatch(SnapshotOverlapIT::isFence);
            });
  }

  private static boolean isFence(Change change) {
    return change.kind() == ChangeKind.INSERT
        && change.after() instanceof EventRow event
        && event.eventType().equals("fence");
  }

  private static Map<String, String> names(List<Change> changes) {
    Map<String, String> names = new TreeMap<>();
    for (Change change : changes) {
      if (change.after() instanceof UserRow user) {
        names.put(user.userId(), String.valueOf(user.name()));
      }
    }
    return names;
  }

  private static Map<String, String> names(SourceDatabase database) throws SQLException {
    Map<String, String> names = new TreeMap<>();
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT user_id, name FROM users")) {
      while (rows.next()) {
        names.put(rows.getString(1), String.valueOf(rows.getString(2)));
      }
    }
    return names;
  }
}
