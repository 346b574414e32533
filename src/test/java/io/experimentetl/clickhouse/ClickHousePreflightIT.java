package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ClickHousePreflightIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint database;
  private ClickHouseConnection connection;

  @BeforeEach
  void createTables() {
    database = PLATFORM.newClickHouseDatabase("preflight");
    connection = Reading.createTables(database, 100);
  }

  @Test
  void correctTablesHaveNoProblem() {
    assertThat(check()).isEmpty();
  }

  @Test
  void unreachableServerIsReported() throws IOException {
    URI nobody;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      nobody = URI.create("http://127.0.0.1:" + socket.getLocalPort());
    }
    connection = Reading.connectionTo(nobody, database);
    assertOnlyProblem("ClickHouse at " + nobody + " does not answer: start it, or correct its URL");
  }

  @Test
  void wrongPasswordIsReportedAndNotPrinted() {
    connection =
        new ClickHouseConnection(
            connection.url(), database.database(), database.user(), () -> "not-the-password");
    assertOnlyProblem("refuses user " + database.user() + ": correct user or password");
    assertThat(check().get(0)).doesNotContain("not-the-password");
  }

  @Test
  void missingPasswordIsReported() {
    connection =
        new ClickHouseConnection(
            connection.url(),
            database.database(),
            database.user(),
            () -> {
              throw new IllegalStateException("The file /secret cannot be read: put it there.");
            });
    assertOnlyProblem("The file /secret cannot be read: put it there.");
  }

  @Test
  void missingDatabaseIsReported() {
    connection = Reading.connectionTo(database.withDatabase("nowhere"));
    assertOnlyProblem(
        "has no database nowhere: create it and apply sql/clickhouse/001_tables.sql in it.");
  }

  @Test
  void missingTableIsReported() {
    database.query("DROP TABLE readings");
    assertOnlyProblem("Table readings is missing in database " + database.database());
  }

  @Test
  void missingProgressTableIsReported() {
    database.query("DROP TABLE etl_sink_progress");
    assertOnlyProblem("Table etl_sink_progress is missing");
  }

  @Test
  void missingOwnersTableIsReported() {
    database.query("DROP TABLE etl_owners");
    assertOnlyProblem("Table etl_owners is missing");
    database.query(
        "CREATE TABLE etl_owners (sink LowCardinality(String), job String, epoch Int64, claimed_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY sink");
    assertOnlyProblem("Column epoch of table etl_owners is Int64, but the job writes UInt64");
  }

  @Test
  void missingColumnIsReported() {
    database.query("ALTER TABLE readings DROP COLUMN text");
    assertOnlyProblem(
        "Table readings has no column text String: apply sql/clickhouse/001_tables.sql");
  }

  @Test
  void missingBatchIdColumnIsReported() {
    database.query("ALTER TABLE readings DROP COLUMN _batch_id");
    assertOnlyProblem("Table readings has no column _batch_id LowCardinality(String)");
  }

  @Test
  void wrongColumnTypeIsReported() {
    database.query("ALTER TABLE readings MODIFY COLUMN text Nullable(String)");
    assertOnlyProblem(
        "Column text of table readings is Nullable(String), but the job writes String: run ALTER TABLE");
  }

  @Test
  void engineWithoutAtomicBatchesIsReported() {
    database.query("RENAME TABLE readings TO behind");
    database.query("CREATE TABLE readings AS behind ENGINE = Memory");
    assertOnlyProblem(
        "Table readings has engine Memory, but only a MergeTree writes a batch as a whole");
  }

  @Test
  void partitionKeyThatIsNoIntegerIsReported() {
    database.query("DROP TABLE readings");
    Reading.createReadings(database, "PARTITION BY text", 100);
    assertOnlyProblem("Table readings is partitioned by text of type String");
  }

  @Test
  void tableWithoutADeduplicationWindowIsReported() {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 0");
    assertOnlyProblem(
        "Table readings does not remember deduplication tokens: run ALTER TABLE readings MODIFY SETTING"
            + " non_replicated_deduplication_window = 10000.");
  }

  @Test
  void serverDefaultWithoutADeduplicationWindowIsReported() {
    database.query("ALTER TABLE readings RESET SETTING non_replicated_deduplication_window");
    assertOnlyProblem("Table readings does not remember deduplication tokens");
  }

  /** Without Keeper a server attaches a replicated table, and creates none. */
  @Test
  void windowsOfAReplicatedTableAreItsOwn() {
    attachReplica(
        "non_replicated_deduplication_window = 100, replicated_deduplication_window = 0,"
            + " replicated_deduplication_window_seconds = 60");
    assertThat(check())
        .hasSize(3)
        .anySatisfy(
            problem ->
                assertThat(problem)
                    .contains("MODIFY SETTING replicated_deduplication_window = 10000."))
        .anySatisfy(
            problem ->
                assertThat(problem)
                    .contains("remembers deduplication tokens for 60 s", "for 1800 s"));
  }

  @Test
  void replicaWithoutKeeperIsReported() {
    attachReplica(
        "replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800");
    assertOnlyProblem("Table readings is a read-only replica");
  }

  @Test
  void serverDefaultsOfAReplicatedTableAreEnough() {
    attachReplica("fsync_after_insert = 1");
    assertOnlyProblem("Table readings is a read-only replica");
  }

  private void attachReplica(String settings) {
    database.query("DROP TABLE readings SYNC");
    database.query(
        """
        ATTACH TABLE readings UUID '%s' (sensor Int64, month UInt32, text String, _version UInt64,
          _batch_id LowCardinality(String))
        ENGINE = ReplicatedReplacingMergeTree('/tables/{uuid}', 'r1', _version) PARTITION BY month ORDER BY sensor
        SETTINGS %s"""
            .formatted(UUID.randomUUID(), settings));
  }

  @Test
  void nonDeterministicDefaultIsReported() {
    database.query("ALTER TABLE readings ADD COLUMN inserted_at DateTime DEFAULT now()");
    assertOnlyProblem("Column inserted_at of table readings is filled by now(), which differs");
  }

  @Test
  void materializedViewIsReported() {
    database.query(
        "CREATE MATERIALIZED VIEW per_month ENGINE = MergeTree ORDER BY month AS"
            + " SELECT month, count() AS n FROM readings GROUP BY month");
    assertOnlyProblem("Table readings feeds the materialized view per_month");
  }

  @Test
  void allProblemsAreReportedTogether() {
    database.query("ALTER TABLE readings DROP COLUMN text");
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 0");
    database.query("DROP TABLE etl_sink_progress");
    assertThat(check()).hasSize(3);
  }

  @Test
  void startWithoutStateIsRefusedWhenTablesHaveRows() {
    assertThat(checkStartWithoutState()).isEmpty();
    database.query("INSERT INTO readings (text) VALUES ('a')");
    assertThat(check()).as("a start from a savepoint").isEmpty();
    assertThat(checkStartWithoutState())
        .singleElement()
        .asString()
        .contains(
            "The job starts without state, but the database " + database.database(),
            "already has rows (readings)",
            "last savepoint or retained checkpoint",
            "set clickhouse.database to an empty database with sql/clickhouse applied");
    database.query("INSERT INTO etl_sink_progress (sequence_number) VALUES (1)");
    assertThat(checkStartWithoutState())
        .singleElement()
        .asString()
        .contains("etl_sink_progress, read");
  }

  @Test
  void tableThatNoSinkWritesMustHaveTheColumnsThatTheJobWrites() {
    TableSchema purposes = TableSchema.of("purposes").column("role", "String");
    assertThat(checkWith(purposes))
        .singleElement()
        .asString()
        .contains("Table purposes is missing");
    database.query("CREATE TABLE purposes (place Int32) ENGINE = Memory");
    assertThat(checkWith(purposes))
        .singleElement()
        .asString()
        .contains("Table purposes has no column role String");
    database.query("ALTER TABLE purposes ADD COLUMN role String");
    assertThat(checkWith(purposes)).isEmpty();
  }

  private List<String> checkWith(TableSchema other) {
    return ClickHousePreflight.check(
        connection, List.of(Reading.ENCODER.schema()), List.of(other), false);
  }

  private List<String> check() {
    return ClickHousePreflight.check(connection, List.of(Reading.ENCODER.schema()), false);
  }

  private List<String> checkStartWithoutState() {
    return ClickHousePreflight.check(connection, List.of(Reading.ENCODER.schema()), true);
  }

  private void assertOnlyProblem(String problem) {
    assertThat(check()).singleElement().asString().contains(problem);
  }
}
