package io.experimentetl.audit;

import io.experimentetl.config.ArchiveConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.YearMonth;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;
import java.util.UUID;

/**
 * PostgreSQL and ClickHouse with the product's schema, rows to put in, and a delivery between them.
 */
final class AuditFixture implements AutoCloseable {
  /** Figures that every metric has; later ones are printed only if one of them is not 0. */
  private static final int OF_ALL_METRICS = 9;

  private final PostgresEndpoint postgres;
  private final ClickHouseEndpoint clickHouse;
  private final Connection connection;
  private final StandInDelivery delivery;
  private ArchiveConfig archive = ArchiveConfig.defaults();
  private SourceMapping mapping = SourceMapping.defaults("public");

  private AuditFixture(PostgresEndpoint postgres, ClickHouseEndpoint clickHouse)
      throws SQLException {
    this.postgres = postgres;
    this.clickHouse = clickHouse;
    this.connection = postgres.connect();
    this.delivery = new StandInDelivery(postgres, clickHouse, connection);
  }

  StandInDelivery delivery() {
    return delivery;
  }

  static AuditFixture create(PlatformExtension platform) throws SQLException, IOException {
    return create(platform, platform.newPostgresDatabase("audit"));
  }

  /** With a database of PostgreSQL in that encoding. */
  static AuditFixture create(PlatformExtension platform, String encoding)
      throws SQLException, IOException {
    PostgresEndpoint usual = platform.newPostgresDatabase("audit");
    String name = usual.database() + "_" + encoding.toLowerCase(Locale.ROOT);
    try (Connection connection = usual.connect()) {
      sql(
          connection,
          "CREATE DATABASE %s ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
              .formatted(name, encoding));
    }
    return create(platform, usual.withDatabase(name));
  }

  private static AuditFixture create(PlatformExtension platform, PostgresEndpoint postgres)
      throws SQLException, IOException {
    AuditFixture fixture = new AuditFixture(postgres, platform.newClickHouseDatabase("audit"));
    // Without 003_slot.sql: slots are shared by all databases of the server, and none is needed
    // here.
    for (String file : List.of("001_platform.sql", "002_etl.sql", "005_retention.sql")) {
      fixture.sql(Files.readString(Path.of("sql", "postgres", file)));
    }
    new SqlFiles(Path.of("sql")).applyTo(fixture.clickHouse.login(), true);
    return fixture;
  }

  /** An archive in a folder, which says that it has a month of a table. */
  void archive(Path folder, String table, YearMonth month) throws IOException {
    Path of = Files.createDirectories(folder.resolve(table).resolve(month.toString()));
    Files.writeString(
        of.resolve("manifest.json"),
        """
        {"table": "%s", "month": "%s", "revision": 1, "rows": 2, "lsn": "1", "committedAt": "", "archivedAt": "",
          "buckets": 1, "columns": [], "files": [], "erasures": []}
        """
            .formatted(table, month));
    archive =
        ConfigBuilder.defaults().with(ArchiveConfig::folder, folder.toString()).build().archive();
  }

  AuditSettings settings(StatisticsConfig statistics) {
    return new AuditSettings(
        postgres.jdbcUrl(),
        postgres.user(),
        postgres.password(),
        mapping,
        clickHouse.login().connection(),
        statistics,
        ConfigBuilder.defaults()
            .with(FindingsConfig::allocationsArePercent, true)
            .build()
            .findings(),
        Duration.ofDays(90),
        Duration.ofDays(365),
        RetentionConfig.defaults().clickhouse(),
        archive,
        List.of(),
        Duration.ofMinutes(2));
  }

  /** From now on PostgreSQL is read through the mapping. */
  void map(SourceMapping other) {
    mapping = other;
  }

  PostgresEndpoint postgres() {
    return postgres;
  }

  ClickHouseEndpoint clickHouse() {
    return clickHouse;
  }

  void sql(String statement) throws SQLException {
    sql(connection, statement);
  }

  static void sql(Connection connection, String statement) throws SQLException {
    try (Statement jdbc = connection.createStatement()) {
      jdbc.setEscapeProcessing(false);
      jdbc.execute(statement);
    }
  }

  /** With a control and a treatment: ten times the experiment's id, plus 1 and plus 2. */
  void experiment(long id, String zone, String startsAt, String endsAt) throws SQLException {
    sql(
        "INSERT INTO experiments (id, key, name, status, seed, config, starts_at, ends_at) VALUES ("
            + id
            + ", 'e"
            + id
            + "', 'Experiment "
            + id
            + "', 'ACTIVE', 's', "
            + (zone.equals("NULL") ? "NULL" : "jsonb_build_object('zone', " + zone + "::text)")
            + ", "
            + quoted(startsAt)
            + ", "
            + quoted(endsAt)
            + ")");
    sql(
        "INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control) VALUES ("
            + (id * 10 + 1)
            + ", "
            + id
            + ", 'control', 'Control', 50, true), ("
            + (id * 10 + 2)
            + ", "
            + id
            + ", 'treatment', 'Treatment', 50, false)");
  }

  private static String quoted(String value) {
    return value.equals("NULL") ? value : "'" + value + "'";
  }

  void user(String id) throws SQLException {
    sql(
        "INSERT INTO users (user_id, email, properties) VALUES ('"
            + id
            + "', NULL, '{\"country\": \"DE\"}') ON CONFLICT DO NOTHING");
  }

  void assignment(
      long experiment, String user, long variant, String source, String at, String enrolledAt)
      throws SQLException {
    sql(
        "INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at, enrolled_at) VALUES ("
            + experiment
            + ", '"
            + user
            + "', "
            + variant
            + ", '"
            + source
            + "', '"
            + at
            + "', "
            + enrolledAt
            + ")");
  }

  void event(
      String id,
      long experiment,
      String user,
      String at,
      String type,
      Long variant,
      String properties)
      throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "INSERT INTO events (id, \"timestamp\", experiment_id, user_id, event_type, variant_id, properties)"
                + " VALUES (?::uuid, ?::timestamptz, ?, ?, ?, ?, ?::jsonb)")) {
      statement.setString(1, id == null ? UUID.randomUUID().toString() : id);
      statement.setString(2, at);
      statement.setLong(3, experiment);
      statement.setString(4, user);
      statement.setString(5, type);
      statement.setObject(6, variant);
      statement.setString(7, properties);
      statement.executeUpdate();
    }
  }

  List<String> figuresInPostgres(String sql, long experiment) throws SQLException {
    List<String> lines = new ArrayList<>();
    try (Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery(
                "SELECT * FROM ("
                    + sql
                    + ") AS s WHERE metric IS NOT NULL AND experiment_id = "
                    + experiment
                    + " ORDER BY metric, day")) {
      while (rows.next()) {
        lines.add(line(rows));
      }
    }
    return lines;
  }

  static String line(ResultSet row) throws SQLException {
    List<String> figures = new ArrayList<>();
    for (int i = 0; i < StatisticsFigures.NAMES.size(); i++) {
      figures.add(row.getString(5 + i));
    }
    return line(row.getLong(2), row.getString(3), row.getInt(4), figures);
  }

  List<String> figuresInClickHouse(String sql, long experiment) {
    return clickHouse
        .query(
            "SELECT * FROM ("
                + sql
                + ") WHERE experiment_id = "
                + experiment
                + " ORDER BY metric, day")
        .lines()
        .filter(line -> !line.isEmpty())
        .map(
            line -> {
              List<String> f = List.of(line.split("\t", -1));
              return line(
                  Long.parseLong(f.get(1)),
                  f.get(2),
                  Integer.parseInt(f.get(3)),
                  f.subList(4, f.size()));
            })
        .toList();
  }

  private static String line(long variant, String metric, int day, List<String> figures) {
    StringJoiner line = new StringJoiner(" ");
    line.add(variant % 10 == 1 ? "control" : "treatment");
    line.add(metric);
    line.add(LocalDate.ofEpochDay(day) + ":");
    List<String> decimals = new ArrayList<>();
    for (int i = 0; i < figures.size(); i++) {
      decimals.add(decimal(figures.get(i), i));
    }
    decimals.subList(0, OF_ALL_METRICS).forEach(line::add);
    List<String> others = decimals.subList(OF_ALL_METRICS, decimals.size());
    if (!others.stream().allMatch("0"::equals)) {
      line.add("|");
      others.forEach(line::add);
    }
    return line.toString();
  }

  static String decimal(String unscaled, int figure) {
    BigDecimal decimal =
        new BigDecimal(new BigInteger(unscaled), StatisticsFigures.DECIMALS.get(figure));
    return decimal.signum() == 0 ? "0" : decimal.stripTrailingZeros().toPlainString();
  }

  static String printed(AuditReport report) {
    StringWriter text = new StringWriter();
    report.print(new PrintWriter(text));
    return text.toString();
  }

  @Override
  public void close() throws SQLException {
    connection.close();
  }
}
