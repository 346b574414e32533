package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.UserRow;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
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
            IF current_query() LIKE 'SELECT * FROM %%' THEN
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
