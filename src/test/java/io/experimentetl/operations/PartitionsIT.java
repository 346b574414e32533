package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The partition functions of sql/postgres/004_partitions.sql. The cases share a database and have
 * tables of their own. Long because a second class would cost a second database and the same
 * preparation.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PartitionsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Path SQL = Path.of("sql", "postgres");

  /** Nothing else writes here, so all transactions before it have ended. */
  private static final String WATERMARK =
      "INSERT INTO etl_watermark SELECT 'job', pg_current_wal_insert_lsn(), pg_snapshot_xmax(pg_current_snapshot())";

  private PostgresEndpoint database;
  private Connection connection;

  @BeforeAll
  void applyTheFiles() throws Exception {
    database = PLATFORM.newPostgresDatabase("partitions");
    try (Connection fresh = database.connect();
        Statement statement = fresh.createStatement()) {
      for (String file : List.of("001_platform.sql", "002_etl.sql", "004_partitions.sql")) {
        statement.execute(read(file));
      }
      statement.execute("ALTER FUNCTION partition_create(text, date) SET lock_timeout = '50ms'");
      statement.execute(
          "ALTER FUNCTION partition_drop(regclass, regclass) SET lock_timeout = '50ms'");
    }
  }

  @BeforeEach
  void connect() throws SQLException {
    connection = database.connect();
  }

  @AfterEach
  void forgetTheWatermark() throws SQLException {
    execute("DELETE FROM etl_watermark");
    connection.close();
  }

  private static String read(String file) throws IOException {
    return Files.readString(SQL.resolve(file));
  }

  private void execute(String... statements) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** The rows of a query, each as its values with a blank between. */
  private List<String> rows(String sql) throws SQLException {
    List<String> rows = new ArrayList<>();
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      while (row.next()) {
        StringBuilder values = new StringBuilder();
        for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
          values.append(i == 1 ? "" : " ").append(row.getString(i));
        }
        rows.add(values.toString());
      }
    }
    return rows;
  }

  private String value(String sql) throws SQLException {
    List<String> rows = rows(sql);
    assertThat(rows).hasSize(1);
    return rows.get(0);
  }

  /** A registered table with a default partition and no other. */
  private void table(String name) throws SQLException {
    execute(
        "CREATE TABLE %s (id int GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text, twice int GENERATED ALWAYS AS (length(note) * 2) STORED, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
            .formatted(name),
        "CREATE TABLE %1$s_default PARTITION OF %1$s DEFAULT".formatted(name),
        "INSERT INTO partition_config (table_name) VALUES ('%s')".formatted(name));
  }

  /** The name suffix of the month that lies this number of months behind the current one. */
  private String month(int ahead) throws SQLException {
    return value(
        "SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '%d months', '_YYYY_MM')"
            .formatted(ahead));
  }

  private static String firstOfMonth(int ahead) {
    return "((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '%d months') AT TIME ZONE 'UTC')"
        .formatted(ahead);
  }

  private void oldPartition(String table, int monthsAgo, int rows) throws SQLException {
    execute(
        "SELECT partition_create('%s', (%s AT TIME ZONE 'UTC')::date)"
            .formatted(table, firstOfMonth(-monthsAgo)),
        "INSERT INTO %s (at, note) SELECT %s + interval '3 hours', 'old' FROM generate_series(1, %d)"
            .formatted(table, firstOfMonth(-monthsAgo), rows));
  }

  @Test
  void filesAppliedTwiceKeepTheConfiguration() throws Exception {
    execute("UPDATE partition_config SET retention_months = 30 WHERE table_name = 'events'");
    execute(read("001_platform.sql"), read("002_etl.sql"), read("004_partitions.sql"));
    assertThat(value("SELECT retention_months FROM partition_config WHERE table_name = 'events'"))
        .isEqualTo("30");
    execute("ALTER FUNCTION partition_create(text, date) SET lock_timeout = '50ms'");
    execute("ALTER FUNCTION partition_drop(regclass, regclass) SET lock_timeout = '50ms'");
  }

  @Test
  void defaultsAreTheDocumentedOnes() throws Exception {
    assertThat(
            rows(
                "SELECT table_name, future_partitions, enabled FROM partition_config WHERE table_name IN ('events', 'goal_completions') ORDER BY 1"))
        .containsExactly("events 6 t", "goal_completions 6 t");
    assertThat(
            value(
                "SELECT retention_months FROM partition_config WHERE table_name = 'goal_completions'"))
        .isEqualTo("12");
  }

  @Test
  void rollbackLeavesPartitionsAndCanBeRepeated() throws Exception {
    PostgresEndpoint other = PLATFORM.newPostgresDatabase("partitions_rollback");
    try (Connection own = other.connect();
        Statement statement = own.createStatement()) {
      for (String file :
          List.of(
              "001_platform.sql",
              "002_etl.sql",
              "004_partitions.sql",
              "optional/partitions_rollback.sql",
              "optional/partitions_rollback.sql")) {
        statement.execute(read(file));
      }
    }
    assertThat(
            other.count(
                "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND (proname LIKE '%partition%' OR proname LIKE '%vacuum%')"))
        .isZero();
    assertThat(other.count("SELECT count(*) FROM pg_class WHERE relname LIKE 'partition_%'"))
        .isZero();
    assertThat(other.count("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass"))
        .isEqualTo(7);
  }

  @Test
  void functionsAreClosedToOthersAndHaveAFixedSearchPath() throws Exception {
    assertThat(
            rows(
                """
                SELECT proname FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace AND (proname LIKE '%partition%' OR proname LIKE '%vacuum%')
                  AND (NOT prosecdef OR NOT 'search_path=public, pg_temp' = ANY (proconfig)
                    OR EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0))
                """))
        .isEmpty();
    execute("CREATE ROLE partitions_stranger");
    execute("SET ROLE partitions_stranger");
    assertThatThrownBy(() -> rows("SELECT * FROM drop_old_partitions('events', 12, false)"))
        .hasMessageContaining("permission denied for function drop_old_partitions");
    execute("RESET ROLE", "DROP ROLE partitions_stranger");
  }

  @Test
  void temporaryTableOfACallerIsNotUsed() throws Exception {
    execute(
        "CREATE TEMP TABLE partition_config (table_name text, retention_months int, future_partitions int, enabled boolean)",
        "INSERT INTO partition_config VALUES ('users', 0, 0, true)");
    assertThatThrownBy(() -> rows("SELECT * FROM drop_old_partitions('users', 0, false)"))
        .hasMessageContaining("users is not registered");
  }

  @Test
  void eventsPartitionIsCreatedOnceWithItsReplicaIdentity() throws Exception {
    assertThat(value("SELECT create_events_partition('2031-06-17')")).isEqualTo("events_2031_06");
    assertThat(value("SELECT create_events_partition('2031-06-01')")).isEqualTo("events_2031_06");
    assertThat(
            value(
                "SELECT relreplident, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_2031_06'"))
        .startsWith("f FOR VALUES FROM (");
    assertThat(
            value(
                "SELECT starts_at = '2031-06-01 00:00+00', ends_at = '2031-07-01 00:00+00' FROM list_partitions('events') WHERE partition_name = 'events_2031_06'"))
        .isEqualTo("t t");
    assertThat(
            rows(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'events_2031_06'::regclass AND contype IN ('c', 'f', 'p') ORDER BY 1"))
        .hasSize(2);
  }

  @Test
  void monthsAreThoseOfUtcWhateverTheSessionsTimeZone() throws Exception {
    table("zones");
    execute(
        "SET TimeZone = 'Pacific/Kiritimati'",
        "SELECT partition_create('zones', '2030-03-31')",
        "SET TimeZone = 'America/Adak'");
    assertThat(
            value(
                "SELECT partition_name, partition_date = DATE '2030-03-01', starts_at = TIMESTAMPTZ '2030-03-01 00:00+00' FROM list_partitions('zones') WHERE NOT is_default"))
        .isEqualTo("zones_2030_03 t t");
  }

  @Test
  void futurePartitionsFollowTheConfigurationOrTheArgument() throws Exception {
    table("ahead");
    execute("UPDATE partition_config SET future_partitions = 2 WHERE table_name = 'ahead'");
    assertThat(rows("SELECT partition_name, outcome FROM create_future_partitions('ahead')"))
        .containsExactly(
            "ahead" + month(0) + " CREATED",
            "ahead" + month(1) + " CREATED",
            "ahead" + month(2) + " CREATED");
    assertThat(rows("SELECT partition_name FROM create_future_partitions('ahead', 3)"))
        .containsExactly("ahead" + month(3));
    assertThat(rows("SELECT partition_name FROM create_future_partitions('ahead', 3)")).isEmpty();
    assertThatThrownBy(() -> rows("SELECT * FROM create_future_partitions('ahead', -1)"))
        .hasMessageContaining("from 0 to 120");
  }

  @Test
  void rowsOfTheDefaultPartitionMoveIntoTheirMonth() throws Exception {
    table("moving");
    execute(
        "INSERT INTO moving (at, note) VALUES (%s, 'first'), (%s + interval '1 month - 1 microsecond', 'last'), (%s, 'next'), ('1999-01-01', 'older')"
            .formatted(firstOfMonth(-2), firstOfMonth(-2), firstOfMonth(-1)));
    assertThat(
            value(
                "SELECT default_rows FROM partition_health_summary() WHERE table_name = 'moving'"))
        .isEqualTo("4");

    assertThat(rows("SELECT partition_name, moved_rows FROM create_future_partitions('moving', 0)"))
        .containsExactly(
            "moving" + month(-2) + " 2", "moving" + month(-1) + " 1", "moving" + month(0) + " 0");

    assertThat(rows("SELECT tableoid::regclass, id, note, twice FROM moving ORDER BY id"))
        .containsExactly(
            "moving" + month(-2) + " 1 first 10",
            "moving" + month(-2) + " 2 last 8",
            "moving" + month(-1) + " 3 next 8",
            "moving_default 4 older 10");
    execute("INSERT INTO moving (at, note) VALUES (%s, 'new')".formatted(firstOfMonth(-1)));
    assertThat(value("SELECT id, tableoid::regclass FROM moving WHERE note = 'new'"))
        .isEqualTo("5 moving" + month(-1));
  }

  @Test
  void movedRowsAreNoChangeOfTheStream() throws Exception {
    execute(
        "INSERT INTO users (user_id) VALUES ('mover')",
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) SELECT '2033-05-05', 1, 'mover', 'view' FROM generate_series(1, 3)",
        "CREATE TABLE fired (operation text)",
        "CREATE FUNCTION note_operation() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO fired VALUES (TG_OP); RETURN NULL; END'",
        "CREATE TRIGGER noted AFTER INSERT OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION note_operation()");
    String slot = database.database();
    execute("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')".formatted(slot));

    execute("SELECT create_events_partition('2033-05-01')");
    assertThat(value("SELECT count(*) FROM events_2033_05")).isEqualTo("3");
    assertThat(value("SELECT count(*) FROM fired")).isEqualTo("0");
    String changes =
        """
        WITH messages AS
        (
          SELECT data, chr(get_byte(data, 0)) AS kind
          FROM pg_logical_slot_get_binary_changes('%s', NULL, NULL, 'proto_version', '1', 'publication_names', 'experiment_etl')
        ), captured AS
        (
          SELECT DISTINCT substr(data, 2, 4) AS id FROM messages WHERE kind = 'R' AND position('events'::bytea IN data) > 0
        )
        SELECT kind, count(*) FROM messages WHERE kind IN ('I', 'U', 'D') AND substr(data, 2, 4) IN (SELECT id FROM captured)
        GROUP BY kind ORDER BY kind
        """
            .formatted(slot);
    assertThat(rows(changes)).isEmpty();

    execute(
        "INSERT INTO events (timestamp, experiment_id, user_id, event_type) SELECT '2034-05-05', 1, 'mover', 'view' FROM generate_series(1, 2)");
    assertThat(rows(changes)).containsExactly("I 2");
    execute(
        """
        CREATE TABLE moved (LIKE events INCLUDING ALL);
        WITH m AS (DELETE FROM events_default WHERE user_id = 'mover' RETURNING *) INSERT INTO moved SELECT * FROM m;
        ALTER TABLE events ATTACH PARTITION moved FOR VALUES FROM ('2034-05-01') TO ('2034-06-01');
        """);
    assertThat(rows(changes)).as("the obvious way deletes the rows").containsExactly("D 2");
    execute(
        "DROP TRIGGER noted ON events",
        "DELETE FROM events WHERE user_id = 'mover'",
        "SELECT pg_drop_replication_slot('%s')".formatted(slot));
  }

  @Test
  void everyAttachDetachDropAndFullVacuumIsAnnounced() throws Exception {
    table("told");
    oldPartition("told", 20, 1);
    execute("INSERT INTO told (at) VALUES (now())");
    execute("SELECT create_future_partitions('told', 0)");
    execute(WATERMARK);
    rows("SELECT * FROM drop_old_partitions('told', NULL, false)");
    for (String statement : rows("SELECT * FROM vacuum_partitions('told', true)")) {
      execute(statement);
    }
    assertThat(
            rows(
                "SELECT split_part(writer, ' ', 2), split_part(writer, ' ', 6) FROM etl_heartbeat WHERE writer LIKE 'partition % told%' ORDER BY beat_at"))
        .containsExactly(
            "attach told" + month(-20),
            "attach told" + month(0),
            "attach told_default",
            "detach told" + month(-20),
            "drop told" + month(-20),
            "vacuum-full told" + month(0),
            "vacuum-full told_default");
    assertThat(
            value(
                "SELECT i.xmin::text = split_part(h.writer, ' ', 5) FROM pg_inherits i JOIN etl_heartbeat h ON h.writer LIKE 'partition attach ' || i.inhrelid::oid || ' %' WHERE i.inhrelid = 'told_default'::regclass"))
        .isEqualTo("t");
  }

  @Test
  void announcementsOfLongAgoAreRemoved() throws Exception {
    table("ages");
    execute(
        "INSERT INTO etl_heartbeat VALUES ('partition attach 1 - 2 long_gone', now() - interval '31 days')");
    execute("SELECT create_future_partitions('ages', 0)");
    assertThat(value("SELECT count(*) FROM etl_heartbeat WHERE writer LIKE '%long_gone'"))
        .isEqualTo("0");
  }

  @Test
  void dropIsADryRunByDefault() throws Exception {
    table("dry");
    oldPartition("dry", 14, 2);
    oldPartition("dry", 11, 2);
    execute(WATERMARK);
    assertThat(rows("SELECT partition_name, outcome FROM drop_old_partitions('dry')"))
        .containsExactly("dry" + month(-14) + " WOULD_DROP");
    assertThat(rows("SELECT partition_name, outcome FROM drop_old_partitions('dry', 12, NULL)"))
        .containsExactly("dry" + month(-14) + " WOULD_DROP");
    assertThat(value("SELECT count(*) FROM dry")).isEqualTo("4");
  }

  @Test
  void partitionIsDroppedOnlyWhenAllItsRowsAreOlderThanTheRetention() throws Exception {
    table("edges");
    oldPartition("edges", 13, 1);
    oldPartition("edges", 12, 1);
    execute(WATERMARK);
    assertThat(
            rows(
                "SELECT partition_name, outcome, reason FROM drop_old_partitions('edges', 12, false)"))
        .containsExactly("edges" + month(-13) + " DROPPED null");
    assertThat(rows("SELECT DISTINCT tableoid::regclass FROM edges"))
        .containsExactly("edges" + month(-12));
    assertThat(value("SELECT to_regclass('edges%s')".formatted(month(-13)))).isEqualTo("null");
  }

  @Test
  void retentionBelowThePolicyIsRefused() throws Exception {
    table("policy");
    assertThatThrownBy(() -> rows("SELECT * FROM drop_old_partitions('policy', 0)"))
        .hasMessageContaining("A retention of 0 months is below the policy of policy, which is 12");
    assertThat(rows("SELECT * FROM drop_old_partitions('policy', 13)")).isEmpty();
  }

  @Test
  void nothingIsDroppedWithoutAWatermark() throws Exception {
    table("unseen");
    oldPartition("unseen", 15, 1);
    for (boolean dryRun : new boolean[] {true, false}) {
      assertThat(
              rows(
                  "SELECT partition_name, outcome, reason FROM drop_old_partitions('unseen', 12, %s)"
                      .formatted(dryRun)))
          .containsExactly(
              "unseen"
                  + month(-15)
                  + " REFUSED etl_watermark has no row, so nothing says what ClickHouse has got");
    }
    assertThat(value("SELECT count(*) FROM unseen")).isEqualTo("1");
  }

  @Test
  void rowBeyondTheWatermarkKeepsItsPartition() throws Exception {
    table("beyond");
    oldPartition("beyond", 16, 2);
    oldPartition("beyond", 15, 2);
    execute(WATERMARK);
    execute("UPDATE beyond SET note = 'late' WHERE id = 1");
    assertThat(rows("SELECT partition_name, outcome FROM drop_old_partitions('beyond', 12, false)"))
        .containsExactly("beyond" + month(-16) + " REFUSED", "beyond" + month(-15) + " DROPPED");
    assertThat(value("SELECT reason FROM drop_old_partitions('beyond', 12, false)"))
        .contains("it has rows beyond the watermark of job at");

    execute("DELETE FROM etl_watermark", WATERMARK);
    assertThat(value("SELECT outcome FROM drop_old_partitions('beyond', 12, false)"))
        .isEqualTo("DROPPED");
  }

  @Test
  void rowOfTheSameTransactionOrASavepointIsBeyondTheWatermark() throws Exception {
    table("own_rows");
    oldPartition("own_rows", 15, 0);
    execute(WATERMARK);
    connection.setAutoCommit(false);
    execute(
        "SELECT pg_current_xact_id()",
        "SAVEPOINT one",
        "INSERT INTO own_rows (at) VALUES (%s)".formatted(firstOfMonth(-15)),
        "RELEASE one");
    assertThat(value("SELECT outcome FROM drop_old_partitions('own_rows', 12, false)"))
        .isEqualTo("REFUSED");
    connection.rollback();
    connection.setAutoCommit(true);
  }

  @Test
  void theLowestOfSeveralWatermarksDecides() throws Exception {
    table("two_jobs");
    oldPartition("two_jobs", 15, 1);
    execute(WATERMARK);
    execute("INSERT INTO etl_watermark VALUES ('behind', '0/1', '3')");
    assertThat(value("SELECT reason FROM drop_old_partitions('two_jobs')")).contains("behind");
  }

  @Test
  void watermarkOfAnotherServerIsRefused() throws Exception {
    table("restored");
    oldPartition("restored", 15, 1);
    execute(
        "INSERT INTO etl_watermark SELECT 'job', pg_current_wal_insert_lsn(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 100)::text::xid8");
    assertThat(value("SELECT outcome, reason FROM drop_old_partitions('restored', 12, false)"))
        .startsWith("REFUSED the watermark of job at")
        .endsWith("written on another one");
    execute("DELETE FROM etl_watermark");
    execute("INSERT INTO etl_watermark VALUES ('job', 'FFFF/0', '3')");
    assertThat(value("SELECT outcome FROM drop_old_partitions('restored', 12, false)"))
        .isEqualTo("REFUSED");
  }

  @Test
  void dropGivesUpBehindALockAndLeavesThePartition() throws Exception {
    table("locked");
    oldPartition("locked", 15, 1);
    execute(WATERMARK);
    try (Connection reader = database.connect();
        Statement statement = reader.createStatement()) {
      reader.setAutoCommit(false);
      statement.execute("SELECT count(*) FROM locked");
      assertThatThrownBy(() -> rows("SELECT * FROM drop_old_partitions('locked', 12, false)"))
          .hasMessageContaining("lock timeout");
      assertThat(
              rows(
                  "SELECT task, outcome, detail FROM run_partition_maintenance('locked', false) WHERE task = 'drop'"))
          .containsExactly("drop FAILED canceling statement due to lock timeout");
      reader.rollback();
    }
    assertThat(value("SELECT outcome FROM drop_old_partitions('locked', 12, false)"))
        .isEqualTo("DROPPED");
  }

  @Test
  void attachTriesAgainBehindAShortLock() throws Exception {
    table("shortly");
    execute(
        "ALTER FUNCTION partition_create(text, date) SET lock_timeout = '300ms'",
        "INSERT INTO shortly (at) VALUES ('2032-02-02')");
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (Connection writer = database.connect();
        Statement statement = writer.createStatement()) {
      writer.setAutoCommit(false);
      statement.execute("INSERT INTO shortly (at) VALUES ('2032-02-03')");
      Future<String> created =
          thread.submit(
              () -> value("SELECT moved_rows FROM partition_create('shortly', '2032-02-01')"));
      awaitLocksWaitedFor(statement, 1);
      awaitLocksWaitedFor(statement, 0);
      writer.commit();
      assertThat(created.get()).isEqualTo("2");
    } finally {
      thread.shutdown();
    }
    execute("ALTER FUNCTION partition_create(text, date) SET lock_timeout = '50ms'");
  }

  private static void awaitLocksWaitedFor(Statement statement, int locks) {
    await()
        .pollInterval(Duration.ofMillis(20))
        .until(
            () -> {
              try (ResultSet row =
                  statement.executeQuery("SELECT count(*) FROM pg_locks WHERE NOT granted")) {
                row.next();
                return row.getInt(1) == locks;
              }
            });
  }

  @Test
  void oddNamesAreQuoted() throws Exception {
    execute(
        "CREATE TABLE \"Odd \"\"Name'; --\" (\"When!\" date NOT NULL, \"a,b\" text) PARTITION BY RANGE (\"When!\")",
        "ALTER TABLE \"Odd \"\"Name'; --\" REPLICA IDENTITY FULL",
        "CREATE TABLE \"odd default\" PARTITION OF \"Odd \"\"Name'; --\" DEFAULT",
        "INSERT INTO partition_config (table_name, future_partitions) VALUES ('Odd \"Name''; --', 0)",
        "INSERT INTO \"Odd \"\"Name'; --\" VALUES (now(), 'x')");
    String name = "Odd \"Name'; --" + month(0);
    assertThat(
            rows(
                "SELECT task, partition_name, outcome, detail FROM run_partition_maintenance('Odd \"Name''; --', false)"))
        .contains(
            "create " + name + " CREATED 1 rows moved", "analyze " + name + " ANALYZED 1 rows");
    assertThat(
            value(
                "SELECT relreplident FROM pg_class WHERE relname = '%s'"
                    .formatted(name.replace("'", "''"))))
        .isEqualTo("f");
    for (String statement : rows("SELECT * FROM vacuum_partitions('Odd \"Name''; --', true)")) {
      execute(statement);
    }
    execute("DELETE FROM partition_config WHERE table_name LIKE 'Odd%'");
  }

  @Test
  void replicaIdentityByIndexIsTakenOver() throws Exception {
    table("by_index");
    execute("ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_pkey");
    execute("SELECT partition_create('by_index', '2030-01-01')");
    assertThat(
            value(
                "SELECT c.relreplident, i.indisprimary FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident WHERE c.relname = 'by_index_2030_01'"))
        .isEqualTo("i t");
  }

  @Test
  void tablesThatAreNotRegisteredOrNotPartitionedByTimeAreRefused() throws Exception {
    assertThatThrownBy(() -> rows("SELECT * FROM create_future_partitions('users', 1)"))
        .hasMessageContaining("Table users is not registered");
    assertThatThrownBy(() -> rows("SELECT * FROM analyze_partitions('goal_completions')"))
        .hasMessageContaining("does not exist in schema public");
    execute(
        "CREATE TABLE by_number (n int) PARTITION BY RANGE (n)",
        "INSERT INTO partition_config (table_name) VALUES ('by_number')");
    assertThatThrownBy(() -> rows("SELECT * FROM list_partitions('by_number')"))
        .hasMessageContaining("not partitioned by RANGE of one column of type timestamptz");
    execute("DELETE FROM partition_config WHERE table_name = 'by_number'");
  }

  @Test
  void existingTableOrPartitionOfTheMonthIsNotTouched() throws Exception {
    table("taken");
    execute(
        "CREATE TABLE taken_2030_01 (n int)",
        "CREATE TABLE taken_spring PARTITION OF taken FOR VALUES FROM ('2030-03-15 00:00+00') TO ('2030-06-01 00:00+00')");
    assertThatThrownBy(() -> execute("SELECT partition_create('taken', '2030-01-01')"))
        .hasMessageContaining("taken_2030_01 exists, and is not the partition of taken");
    assertThatThrownBy(() -> execute("SELECT partition_create('taken', '2030-03-01')"))
        .hasMessageContaining("taken_spring of taken covers a part of the month 2030-03");
    assertThat(value("SELECT leaf_name, outcome FROM partition_create('taken', '2030-04-01')"))
        .isEqualTo("taken_spring EXISTS");
  }

  @Test
  void healthTellsWhatIsMissing() throws Exception {
    table("health");
    String health =
        "SELECT total_partitions, partitions_pending_cleanup, default_rows, months_ahead, status FROM partition_health_summary() WHERE table_name = '%s'";
    assertThat(value(health.formatted("goal_completions"))).isEqualTo("0 0 0 -1 NO_PARTITIONS");
    assertThat(value(health.formatted("health"))).isEqualTo("0 0 0 -1 NO_PARTITIONS");
    execute("SELECT create_future_partitions('health', 3)");
    assertThat(value(health.formatted("health"))).isEqualTo("4 0 0 3 HEALTHY");
    oldPartition("health", 15, 1);
    execute("INSERT INTO health (at) VALUES ('1999-09-09')");
    assertThat(value(health.formatted("health"))).isEqualTo("5 1 1 3 CLEANUP_NEEDED");
  }

  @Test
  void maintenanceCreatesAnalyzesDropsAndUpdatesTheMetadata() throws Exception {
    table("daily");
    execute("UPDATE partition_config SET future_partitions = 1 WHERE table_name = 'daily'");
    oldPartition("daily", 13, 2);
    execute("INSERT INTO daily (at, note) VALUES (now(), 'today')", WATERMARK);

    assertThat(
            rows(
                "SELECT task, partition_name, outcome FROM run_partition_maintenance('daily', true)"))
        .containsExactly(
            "create daily" + month(0) + " WOULD_CREATE",
            "create daily" + month(1) + " WOULD_CREATE",
            "drop daily" + month(-13) + " WOULD_DROP");
    assertThat(value("SELECT count(*) FROM partition_metadata WHERE parent_table = 'daily'"))
        .isEqualTo("0");

    assertThat(
            rows(
                "SELECT task, partition_name, outcome FROM run_partition_maintenance('daily', false)"))
        .containsExactlyInAnyOrder(
            "create daily" + month(0) + " CREATED",
            "create daily" + month(1) + " CREATED",
            "analyze daily" + month(-13) + " ANALYZED",
            "analyze daily" + month(0) + " ANALYZED",
            "analyze daily" + month(1) + " ANALYZED",
            "analyze daily_default ANALYZED",
            "drop daily" + month(-13) + " DROPPED");
    assertThat(
            rows(
                "SELECT partition_name, row_count, size_bytes > 0, last_analyzed IS NOT NULL FROM partition_metadata WHERE parent_table = 'daily' ORDER BY partition_date"))
        .containsExactly(
            "daily" + month(0) + " 1 t t", "daily" + month(1) + " 0 t t", "daily_default 0 t t");
  }

  @Test
  void maintenanceOfAllTablesLeavesOutThoseThatAreDisabledOrMissing() throws Exception {
    table("off");
    execute("UPDATE partition_config SET enabled = false WHERE table_name = 'off'");
    assertThat(rows("SELECT parent_table, task, outcome, detail FROM run_partition_maintenance()"))
        .contains("goal_completions create SKIPPED the table does not exist")
        .noneMatch(row -> row.startsWith("off "));
    assertThat(rows("SELECT partition_name FROM list_partitions('off')"))
        .containsExactly("off_default");
  }

  @Test
  void vacuumReturnsStatementsForEachPartition() throws Exception {
    table("swept");
    execute("SELECT create_future_partitions('swept', 0)");
    assertThat(rows("SELECT * FROM vacuum_partitions('swept', false)"))
        .containsExactly(
            "VACUUM (ANALYZE) public.swept" + month(0), "VACUUM (ANALYZE) public.swept_default");
    assertThatThrownBy(() -> execute("SELECT announce_vacuum_full('users')"))
        .hasMessageContaining("users is no partition of a table that is registered");
  }
}
