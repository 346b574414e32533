package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.ClickHouseEndpoint;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ClickHousePreflightIT {

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint database;
  private ClickHouseConnection connection;

  @BeforeEach
  void makeTables() {
    database = PLATFORM.newClickHouseDatabase("preflight");
    connection = Reading.createTables(database, 100);
  }

  @Test
  void findsNothingWhereAllIsWell() {
    assertThat(check()).isEmpty();
  }

  @Test
  void findsAServerThatDoesNotAnswer() throws IOException {
    URI nobody;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      nobody = URI.create("http://127.0.0.1:" + socket.getLocalPort());
    }
    connection = Reading.connectionTo(nobody, database);
    only("ClickHouse at " + nobody + " does not answer: start it, or correct its URL");
  }

  @Test
  void findsAWrongPasswordAndDoesNotPrintIt() {
    connection =
        new ClickHouseConnection(
            connection.url(), database.database(), database.user(), () -> "not-the-password");
    only("refuses user " + database.user() + ": correct user or password");
    assertThat(check().get(0)).doesNotContain("not-the-password");
  }

  @Test
  void findsAPasswordThatIsNotWhereItShouldBe() {
    connection =
        new ClickHouseConnection(
            connection.url(),
            database.database(),
            database.user(),
            () -> {
              throw new IllegalStateException("The file /secret cannot be read: put it there.");
            });
    only("The file /secret cannot be read: put it there.");
  }

  @Test
  void findsAMissingDatabase() {
    connection = Reading.connectionTo(database.withDatabase("nowhere"));
    only("has no database nowhere: create it and apply sql/clickhouse/001_tables.sql in it.");
  }

  @Test
  void findsAMissingTable() {
    database.query("DROP TABLE readings");
    only("Table readings is missing in database " + database.database());
  }

  @Test
  void findsAMissingTableOfCuts() {
    database.query("DROP TABLE etl_sink_progress");
    only("Table etl_sink_progress is missing");
  }

  @Test
  void findsAMissingTableOfOwners() {
    database.query("DROP TABLE etl_owners");
    only("Table etl_owners is missing");
  }

  @Test
  void findsAMissingColumn() {
    database.query("ALTER TABLE readings DROP COLUMN text");
    only("Table readings lacks column text String: apply sql/clickhouse/001_tables.sql");
  }

  @Test
  void findsATableWithoutBatchIds() {
    database.query("ALTER TABLE readings DROP COLUMN _batch_id");
    only("Table readings lacks column _batch_id LowCardinality(String)");
  }

  @Test
  void findsAColumnOfAnotherType() {
    database.query("ALTER TABLE readings MODIFY COLUMN text Nullable(String)");
    only("Column text of table readings is Nullable(String), the sink writes String: ALTER TABLE");
  }

  @Test
  void findsAnEngineThatTakesNoBatchAsAWhole() {
    database.query("RENAME TABLE readings TO behind");
    database.query("CREATE TABLE readings AS behind ENGINE = Memory");
    only("Table readings has engine Memory, and only a MergeTree takes a batch as a whole");
  }

  @Test
  void findsAPartitionKeyThatIsNoInteger() {
    database.query("DROP TABLE readings");
    Reading.createReadings(database, "PARTITION BY text", 100);
    only("Table readings is partitioned by text of type String");
  }

  @Test
  void findsATableThatRemembersNoTokens() {
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 0");
    only(
        "Table readings doesn't remember deduplication tokens: ALTER TABLE readings MODIFY SETTING"
            + " non_replicated_deduplication_window = 10000.");
  }

  @Test
  void findsTheServersDefaultWindowOfNoTokens() {
    database.query("ALTER TABLE readings RESET SETTING non_replicated_deduplication_window");
    only("Table readings doesn't remember deduplication tokens");
  }

  @Test
  void findsADefaultThatDiffersWhenSentAgain() {
    database.query("ALTER TABLE readings ADD COLUMN inserted_at DateTime DEFAULT now()");
    only("Column inserted_at of table readings is filled by now(), which differs");
  }

  @Test
  void findsAMaterializedView() {
    database.query(
        "CREATE MATERIALIZED VIEW per_month ENGINE = MergeTree ORDER BY month AS"
            + " SELECT month, count() AS n FROM readings GROUP BY month");
    only("Table readings feeds the materialized view per_month");
  }

  @Test
  void tellsAllProblemsAtOnce() {
    database.query("ALTER TABLE readings DROP COLUMN text");
    database.query("ALTER TABLE readings MODIFY SETTING non_replicated_deduplication_window = 0");
    database.query("DROP TABLE etl_sink_progress");
    assertThat(check()).hasSize(3);
  }

  @Test
  void refusesAStartWithoutStateIntoTablesThatHoldRows() {
    assertThat(checkForAStartWithoutState()).isEmpty();
    database.query("INSERT INTO readings (text) VALUES ('a')");
    assertThat(check()).as("a start from a savepoint").isEmpty();
    assertThat(checkForAStartWithoutState())
        .singleElement()
        .asString()
        .contains(
            "The job starts without state, and the database " + database.database(),
            "holds rows already (readings)",
            "last savepoint or retained checkpoint",
            "clickhouse.database, with sql/clickhouse applied");
    database.query("INSERT INTO etl_sink_progress (sequence_number) VALUES (1)");
    assertThat(checkForAStartWithoutState())
        .singleElement()
        .asString()
        .contains("etl_sink_progress, read");
  }

  private List<String> check() {
    return ClickHousePreflight.check(connection, List.of(Reading.ENCODER.schema()), false);
  }

  private List<String> checkForAStartWithoutState() {
    return ClickHousePreflight.check(connection, List.of(Reading.ENCODER.schema()), true);
  }

  private void only(String problem) {
    assertThat(check()).singleElement().asString().contains(problem);
  }
}
