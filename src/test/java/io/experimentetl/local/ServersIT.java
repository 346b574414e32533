package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.operations.SqlFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ServersIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void postgresKeepsItsRowsItsSlotAndItsPortThroughKill9() throws SQLException {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase("survives");
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE TABLE t (id int PRIMARY KEY)");
      statement.execute("INSERT INTO t SELECT generate_series(1, 1000)");
      statement.execute(
          "SELECT pg_create_logical_replication_slot('survives_slot', 'pgoutput', false, false, true)");
      assertThat(text(statement, "SHOW wal_level")).isEqualTo("logical");
      assertThat(text(statement, "SHOW track_commit_timestamp")).isEqualTo("on");
    }

    PLATFORM.postgres().kill9();
    PLATFORM.postgres().start();

    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      assertThat(text(statement, "SELECT count(*) FROM t")).isEqualTo("1000");
      assertThat(
              text(
                  statement,
                  "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'survives_slot'"))
          .isEqualTo("1");
      statement.execute("SELECT pg_drop_replication_slot('survives_slot')");
    }
  }

  /** As {@code up --postgres-url} does with the login of a superuser. */
  @Test
  void tablesOfAGivenServerAreLeftAloneAndTheJobHasItsOwnRole() throws Exception {
    SqlFiles sql = new SqlFiles(Path.of("sql"));
    PostgresEndpoint superuser = PLATFORM.newPostgresDatabase("given");
    Path directory = PLATFORM.directory().resolve("given");
    try (Connection connection = superuser.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(
          "ALTER DATABASE \"%1$s\" SET experiment_etl.slot = '%1$s'"
              .formatted(superuser.database()));
      statement.execute(Files.readString(Path.of("sql/postgres/001_platform.sql")));
      statement.execute("DROP TABLE outbox_events; ALTER TABLE users DROP COLUMN name");
      // Another test of this server may have made the role: then its password must be known.
      statement.execute(
          "DO $$ BEGIN CREATE ROLE experiment_etl LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
      statement.execute(
          "ALTER ROLE experiment_etl PASSWORD '%s'"
              .formatted(ServerIdentity.of(directory.resolve("job-role")).password()));
    }

    PostgresEndpoint job = Platform.prepareGivenSource(sql, superuser, directory);

    assertThat(job.user()).isEqualTo("experiment_etl");
    try (Connection connection = job.connect();
        Statement statement = connection.createStatement()) {
      assertThat(text(statement, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
          .isEqualTo("f");
      assertThat(text(statement, "SELECT count(*) FROM users")).isEqualTo("0");
      assertThat(text(statement, "SELECT to_regclass('outbox_events')")).isNull();
      assertThat(
              text(
                  statement,
                  "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'"))
          .isEqualTo("0");
    }
    // The role's own login: there is nothing left to apply.
    assertThat(Platform.prepareGivenSource(sql, job, directory)).isEqualTo(job);
    assertThatThrownBy(
            () ->
                Platform.prepareGivenSource(
                    sql, superuser, PLATFORM.directory().resolve("given-elsewhere")))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("is a superuser, and the job does not run as one");
  }

  @Test
  void postgresRefusesAWrongPassword() {
    PostgresEndpoint right = PLATFORM.postgres().endpoint();
    PostgresEndpoint wrong =
        new PostgresEndpoint(right.host(), right.port(), right.database(), right.user(), "wrong");

    assertThatThrownBy(wrong::connect).hasMessageContaining("password authentication failed");
  }

  @Test
  void clickHouseKeepsItsRowsAndItsDeduplicationLogThroughKill9() {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("survives");
    database.query(
        "CREATE TABLE t (id Int64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100");
    String insert =
        "INSERT INTO t SETTINGS async_insert = 0, insert_deduplicate = 1, insert_deduplication_token = 'batch-1' VALUES (1), (2)";
    database.query(insert);

    PLATFORM.clickHouse().kill9();
    PLATFORM.clickHouse().start();
    database.query(insert);

    assertThat(database.count("SELECT count() FROM t")).isEqualTo(2);
  }

  /** The metric clickhouse_longest_query_seconds takes any SELECT for an analyst's. */
  @Test
  void theQueryThatKeepsClickHouseAliveIsNoSelect() {
    assertThat(
            PLATFORM
                .clickHouse()
                .endpoint()
                .query(
                    "SELECT query_kind FROM system.processes WHERE query LIKE '%sleepEachRow%' AND"
                        + " query NOT LIKE '%processes%'"))
        .isEqualTo("Insert");
  }

  @Test
  void clickHouseAsksForThePasswordAndKeepsAQueryLog() {
    ClickHouseEndpoint right = PLATFORM.clickHouse().endpoint();
    right.query("SELECT 'a query to be found'");
    right.query("SYSTEM FLUSH LOGS");

    assertThat(
            right.count(
                "SELECT count() FROM system.query_log WHERE query = 'SELECT \\'a query to be found\\''"))
        .isPositive();
    assertThatThrownBy(
            () ->
                new ClickHouseEndpoint(right.url(), "default", right.user(), "wrong")
                    .query("SELECT 1"))
        .hasMessageContaining("Authentication failed");
    ClickHouseEndpoint nobody = new ClickHouseEndpoint(right.url(), "default", "default", "");
    assertThat(nobody.query("SHOW DATABASES")).isEmpty();
    assertThatThrownBy(() -> nobody.query("CREATE DATABASE mine"))
        .hasMessageContaining("Not enough privileges");
  }

  @Test
  void kafkaKeepsItsTopicsThroughKill9() throws Exception {
    KafkaServer kafka = PLATFORM.kafka();
    Map<String, Object> client = Map.of("bootstrap.servers", kafka.bootstrapServers());
    try (Admin admin = Admin.create(client)) {
      admin
          .createTopics(List.of(new NewTopic("experiments_events", 2, (short) 1)))
          .all()
          .get(30, TimeUnit.SECONDS);
    }

    kafka.kill9();
    kafka.start();

    try (Admin admin = Admin.create(client)) {
      Set<String> topics = admin.listTopics().names().get(30, TimeUnit.SECONDS);
      assertThat(topics).contains("experiments_events");
    }
  }

  private static String text(Statement statement, String sql) throws SQLException {
    try (ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }
}
