package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

class SqlFilesIT {
  private static final SqlFiles OURS = new SqlFiles(Path.of("sql"));

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void clickHouseFilesAppliedTwiceKeepTheRows() {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sql_twice");
    OURS.applyTo(database.login(), true);
    database.query("INSERT INTO users (user_id) VALUES ('u-1')");

    OURS.applyTo(database.login(), true);

    assertThat(database.count("SELECT count() FROM users")).isEqualTo(1);
    assertThat(
            database.count(
                "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine = 'ReplacingMergeTree'"))
        .isEqualTo(13);
  }

  /** The server runs no ON CLUSTER; it parses the statements as a cluster would get them. */
  @Test
  void serverParsesTheStatementsForACluster() throws IOException {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sql_cluster");
    for (String statement : ClusterSqlTest.forCluster()) {
      assertThat(
              database.query(
                  "SELECT formatQuerySingleLine('%s')"
                      .formatted(statement.replace("\\", "\\\\").replace("'", "\\'"))))
          .contains("ON CLUSTER");
    }
  }

  /** The server takes no CREATE ROLE. */
  @Test
  void serverParsesTheRolesOfTheWarehouse() throws IOException {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sql_roles");
    String text = Files.readString(Path.of("sql/clickhouse/optional/roles.sql"));
    assertThat(SqlScript.statements(text))
        .hasSizeGreaterThan(10)
        .allSatisfy(
            statement ->
                assertThat(
                        database.query(
                            "SELECT formatQuerySingleLine('%s')"
                                .formatted(statement.text().replace("'", "\\'"))))
                    .contains("experiment_etl_"));
  }

  @Test
  void everyRoleMayDoItsTaskAndNothingElse() throws Exception {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase("sql_rights");
    OURS.applyTo(database.login());
    String roles = Files.readString(Path.of("sql/postgres/optional/roles.sql"));
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(roles);
      statement.execute(roles);
      assertThat(
              text(
                  statement,
                  """
                  SELECT string_agg(grantee || ' ' || table_name || ' ' || rights, E'\n' ORDER BY grantee, table_name)
                  FROM (SELECT grantee, table_name, string_agg(privilege_type, ',' ORDER BY privilege_type) AS rights
                        FROM information_schema.role_table_grants
                        WHERE grantee LIKE 'experiment%' AND table_name IN ('users', 'events', 'etl_heartbeat')
                        GROUP BY grantee, table_name) granted
                  """))
          .isEqualTo(
              """
              experiment_etl etl_heartbeat DELETE,INSERT,SELECT,UPDATE
              experiment_etl events SELECT
              experiment_etl users SELECT
              experiment_etl_auditor etl_heartbeat DELETE,INSERT,SELECT,UPDATE
              experiment_etl_auditor events SELECT
              experiment_etl_auditor users SELECT
              experiment_etl_operator etl_heartbeat DELETE,INSERT,SELECT,UPDATE
              experiment_etl_operator events SELECT
              experiment_etl_operator users SELECT
              experiment_etl_serve etl_heartbeat DELETE,INSERT,SELECT,UPDATE
              experiment_etl_serve events SELECT
              experiment_etl_serve users SELECT""");
      statement.execute(
          "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    }
  }

  @Test
  void tablesHaveATtlOnlyWithTheRetentionFile() {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sql_ttl");
    String tablesWithTtl =
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '%TTL%'";
    OURS.applyTo(database.login(), false);
    assertThat(database.count(tablesWithTtl)).isZero();

    OURS.applyTo(database.login(), true);
    assertThat(database.count(tablesWithTtl)).isPositive();
  }

  @Test
  void retentionAppliedAgainGivesArchivedTablesNoTtl() throws IOException {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("sql_archived");
    String tablesWithTtl =
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '%TTL%'";
    OURS.applyTo(database.login(), true);
    long before = database.count(tablesWithTtl);
    for (ArchivedTable table : ArchivedTable.values()) {
      database.query(table.guard());
      database.query("ALTER TABLE " + table.warehouseTable() + " REMOVE TTL");
    }

    OURS.applyTo(database.login(), true);
    assertThat(database.count(tablesWithTtl)).isEqualTo(before - 2);
    // As someone applies the file who does not use the tool.
    for (SqlScript.Statement statement :
        SqlScript.statements(Files.readString(Path.of("sql/clickhouse/900_retention.sql")))) {
      if (statement.text().contains("ADD CONSTRAINT " + ArchivedTable.GUARD)) {
        assertThatThrownBy(() -> database.query(statement.text()))
            .hasMessageContaining(ArchivedTable.GUARD);
      } else {
        database.query(statement.text());
      }
    }
    assertThat(database.count(tablesWithTtl)).isEqualTo(before - 2);
  }

  @Test
  void postgresFilesAppliedTwiceKeepTheRows() throws SQLException {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase("sql_twice");
    OURS.applyTo(database.login());
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("INSERT INTO users (user_id) VALUES ('u-1')");

      OURS.applyTo(database.login());

      try (ResultSet rows = statement.executeQuery("SELECT count(*) FROM users")) {
        rows.next();
        assertThat(rows.getInt(1)).isEqualTo(1);
      }
      // Slots are the server's, and this one's name is every test's.
      statement.execute(
          "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    }
  }

  @Test
  void unpartitionedEventsGetFullIdentity() throws Exception {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase("sql_unpartitioned");
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(Files.readString(Path.of("sql/postgres/001_platform.sql")));
      statement.execute("CREATE TABLE other (LIKE events INCLUDING ALL)");
      statement.execute("DROP TABLE events");
      statement.execute("ALTER TABLE other RENAME TO events");
      statement.execute(Files.readString(Path.of("sql/postgres/002_etl.sql")));
      assertThat(
              text(
                  statement,
                  "SELECT relkind::text || relreplident::text FROM pg_class WHERE oid = 'events'::regclass"))
          .isEqualTo("rf");
    }
  }

  @Test
  void optionalTriggerGivesNewPartitionsFullIdentity() throws Exception {
    PostgresEndpoint database = PLATFORM.newPostgresDatabase("sql_trigger");
    OURS.applyTo(database.login());
    String script = Files.readString(Path.of("sql/postgres/optional/full_replica_identity.sql"));
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      statement.execute(
          "CREATE TABLE before_it PARTITION OF events FOR VALUES FROM ('2047-01-01') TO ('2048-01-01')");
      assertThat(identities(statement)).isEqualTo("before_it d");
      statement.execute(script);
      statement.execute(script);
      statement.execute(
          "CREATE TABLE created PARTITION OF events FOR VALUES FROM ('2048-01-01') TO ('2049-01-01')");
      statement.execute("CREATE TABLE attached (LIKE events INCLUDING ALL)");
      statement.execute("CREATE TABLE other (id int PRIMARY KEY)");
      assertThat(identities(statement))
          .as("before the attachment")
          .isEqualTo("attached d, before_it f, created f, other d");
      statement.execute(
          "ALTER TABLE events ATTACH PARTITION attached FOR VALUES FROM ('2049-01-01') TO ('2050-01-01')");
      assertThat(identities(statement)).isEqualTo("attached f, before_it f, created f, other d");
      assertThat(
              text(
                  statement,
                  "SELECT string_agg(t.tablename, ', ') FROM pg_publication_tables t WHERE t.tablename IN ('events', 'created', 'attached')"))
          .as("partitions are published by their root")
          .isEqualTo("events");
      statement.execute(
          "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()");
    }
  }

  private static String identities(Statement statement) throws SQLException {
    return text(
        statement,
        "SELECT string_agg(relname || ' ' || relreplident::text, ', ' ORDER BY relname) FROM pg_class WHERE relname IN ('attached', 'before_it', 'created', 'other')");
  }

  private static String text(Statement statement, String sql) throws SQLException {
    try (ResultSet row = statement.executeQuery(sql)) {
      row.next();
      return row.getString(1);
    }
  }

  @Test
  void errorNamesTheFileTheLineAndTheStatement(@TempDir Path directory) throws IOException {
    Path file = Files.createDirectories(directory.resolve("postgres")).resolve("001_bad.sql");
    Files.writeString(file, "SELECT 1;\n\nSELECT * FROM no_such_table;\n");

    assertThatThrownBy(
            () -> new SqlFiles(directory).applyTo(PLATFORM.postgres().endpoint().login()))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("001_bad.sql, the statement of line 3")
        .hasMessageContaining("relation \"no_such_table\" does not exist")
        .hasMessageContaining("SELECT * FROM no_such_table");
  }
}
