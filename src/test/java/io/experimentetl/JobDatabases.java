package io.experimentetl;

import io.experimentetl.audit.Audit;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.Secret;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;

/**
 * A PostgreSQL and a ClickHouse database with {@code sql/} applied, for one job. The endpoints are
 * those of administrators, with whom a test writes; the job, and the audit in PostgreSQL, have
 * roles of their own.
 */
record JobDatabases(PostgresEndpoint postgres, ClickHouseEndpoint clickHouse, Path folder) {

  /** The job's role, which has the rights of sql/postgres and no others. */
  private static final String JOB = "experiment_etl";

  private static final String AUDITOR = "experiment_etl_auditor";

  /**
   * Creates both. The slot has the name of the PostgreSQL database.
   *
   * @param folder for the password files
   */
  static JobDatabases create(PlatformExtension platform, Path folder, String name)
      throws Exception {
    return create(platform, platform.newPostgresDatabase(name), folder, name);
  }

  /** The same in an empty database of another PostgreSQL. */
  static JobDatabases create(
      PlatformExtension platform, PostgresEndpoint postgres, Path folder, String name)
      throws Exception {
    JobDatabases databases =
        new JobDatabases(postgres, platform.newClickHouseDatabase(name), folder);
    databases.execute(
        Files.readString(Path.of("sql/postgres/001_platform.sql")),
        Files.readString(Path.of("sql/postgres/002_etl.sql")));
    databases.makeSlotAnew();
    databases.execute(
        Files.readString(Path.of("sql/postgres/004_partitions.sql")),
        Files.readString(Path.of("sql/postgres/005_retention.sql")),
        Files.readString(Path.of("sql/postgres/optional/roles.sql")));
    for (String role : List.of(JOB, AUDITOR)) {
      // Roles belong to the server, which all classes share, as its password does.
      databases.execute("ALTER ROLE " + role + " PASSWORD '" + postgres.password() + "'");
    }
    new SqlFiles(Path.of("sql")).applyTo(databases.clickHouse.login(), true);
    return databases;
  }

  /** Makes the slot, behind all that was written so far: the stream does not hold it. */
  void makeSlotAnew() throws IOException, SQLException {
    execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '"
            + slot()
            + "'",
        "SET experiment_etl.slot = '" + slot() + "'",
        Files.readString(Path.of("sql/postgres/003_slot.sql")));
  }

  String slot() {
    return postgres.database();
  }

  void execute(String... statements) throws SQLException {
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** The default configuration with these databases. */
  ConfigBuilder config() throws IOException {
    return ConfigBuilder.defaults()
        .with(SourceConfig::host, postgres.host())
        .with(SourceConfig::port, postgres.port())
        .with(SourceConfig::database, postgres.database())
        .with(SourceConfig::username, JOB)
        .with(SourceConfig::password, secret("postgres", postgres.password()))
        .with(SourceConfig::slot, slot())
        .with(SourceConfig::heartbeatInterval, Duration.ofMillis(500))
        .with(ClickHouseConfig::url, clickHouse.url())
        .with(ClickHouseConfig::database, clickHouse.database())
        .with(ClickHouseConfig::username, ClickHouseServer.JOB_USER)
        .with(ClickHouseConfig::password, secret("clickhouse", clickHouse.password()));
  }

  private Secret secret(String name, String value) throws IOException {
    return Secret.fromFile(Files.writeString(folder.resolve(name), value).toString());
  }

  AuditReport audit(JobConfig config, Duration deadline) {
    return new Audit(
            AuditSettings.of(
                config,
                postgres.jdbcUrl(),
                AUDITOR,
                postgres.password(),
                clickHouse.login().connection(),
                deadline))
        .run();
  }

  /** Ends the connection that reads the slot, so that the database can be dropped. */
  void endReader() throws SQLException {
    execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL AND slot_name = '"
            + slot()
            + "'");
  }
}
