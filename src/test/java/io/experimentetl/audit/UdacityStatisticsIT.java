package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.local.PlatformExtension;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/**
 * The recomputation on a real A/B test of 294,478 page views, against its known answer; skipped
 * where the data isn't there.
 */
class UdacityStatisticsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Path DATA = Path.of("..", "shared", "data", "udacity");
  private static final StatisticsConfig FIRST =
      StatisticsConfig.defaults().withCrossover(CrossoverPolicy.FIRST);
  private static AuditFixture fixture;

  @BeforeAll
  static void load() throws Exception {
    assumeTrue(
        Files.isReadable(DATA.resolve("ab_data.csv.zip")), "the Udacity set is not in " + DATA);
    fixture = AuditFixture.create(PLATFORM);
    try (Connection connection = fixture.postgres().connect()) {
      CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
      AuditFixture.sql(
          connection,
          "CREATE TABLE page_views (line serial, user_id text, at timestamp, grp text, page text, converted int)");
      AuditFixture.sql(connection, "CREATE TABLE countries (user_id text, country text)");
      try (ZipInputStream zip =
          new ZipInputStream(Files.newInputStream(DATA.resolve("ab_data.csv.zip")))) {
        zip.getNextEntry();
        copy.copyIn(
            "COPY page_views (user_id, at, grp, page, converted) FROM STDIN (FORMAT csv, HEADER)",
            zip);
      }
      try (InputStream csv =
          new GZIPInputStream(Files.newInputStream(DATA.resolve("countries.csv.gz")))) {
        copy.copyIn("COPY countries FROM STDIN (FORMAT csv, HEADER)", csv);
      }
      fixture.experiment(1, "NULL", "NULL", "NULL");
      AuditFixture.sql(
          connection,
          "INSERT INTO users (user_id, properties) SELECT DISTINCT ON (user_id) user_id,"
              + " jsonb_build_object('country', country) FROM page_views LEFT JOIN countries USING (user_id)");
      AuditFixture.sql(
          connection,
          "INSERT INTO assignments (experiment_id, user_id, variant_id, assigned_at)"
              + " SELECT DISTINCT ON (user_id) 1, user_id, CASE grp WHEN 'control' THEN 11 ELSE 12 END,"
              + " at AT TIME ZONE 'UTC' FROM page_views ORDER BY user_id, at");
      for (String rows :
          List.of(
              "'exposure' FROM page_views", "'conversion' FROM page_views WHERE converted = 1")) {
        AuditFixture.sql(
            connection,
            "INSERT INTO events (\"timestamp\", experiment_id, user_id, variant_id, event_type)"
                + " SELECT at AT TIME ZONE 'UTC', 1, user_id, CASE page WHEN 'old_page' THEN 11 ELSE 12 END, "
                + rows);
      }
      AuditFixture.sql(connection, "ANALYZE");
    }
  }

  @AfterAll
  static void close() throws SQLException {
    if (fixture != null) {
      fixture.close();
    }
  }

  @Test
  void inPostgresUnderPolicyFirstEveryCellEqualsTheKnownAnswer() throws Exception {
    assertThat(figures(FIRST)).containsExactlyInAnyOrderElementsOf(golden());
  }

  @Test
  void inClickHouseUnderPolicyFirstEveryCellEqualsTheKnownAnswer() throws Exception {
    // The test is of 2017: the warehouse's retention would remove it.
    fixture.clickHouse().query("ALTER TABLE events_processed REMOVE TTL");
    fixture.clickHouse().query("ALTER TABLE assignments_processed REMOVE TTL");
    insert(
        "experiments",
        "SELECT id, key, name, status, seed, created_at, updated_at FROM experiments");
    insert(
        "variants",
        "SELECT id, experiment_id, key, is_control, created_at, updated_at FROM variants");
    insert(
        "assignments_processed",
        "SELECT id, experiment_id, user_id, variant_id, source, assigned_at, created_at, updated_at FROM assignments");
    insert(
        "events_processed",
        "SELECT id AS event_id, \"timestamp\", experiment_id, user_id, variant_id, event_type FROM events");

    assertThat(fixture.figuresInClickHouse(sql(FIRST).clickhouse(0), 1))
        .containsExactlyInAnyOrderElementsOf(golden());
  }

  @Test
  void underPolicyExcludeTheCrossoversAreGone() throws Exception {
    // 2,964 users saw another page than their group's.
    long users =
        figures(StatisticsConfig.defaults()).stream()
            .filter(line -> line.contains(" conversion "))
            .mapToLong(line -> Long.parseLong(line.split(" ", -1)[8]))
            .sum();

    assertThat(users).isEqualTo(145_294 + 145_290 - 2_964);
  }

  /** As the audit runs it. */
  private static List<String> figures(StatisticsConfig config) {
    List<String> lines = new ArrayList<>();
    AuditSettings settings = fixture.settings(config);
    try (SourceSnapshot snapshot =
        SourceSnapshot.take(settings, new Deadline(settings.deadline(), line -> {}))) {
      // Rows without a metric are the experiments' health.
      snapshot.read(
          settings,
          "SELECT * FROM (" + sql(config).postgres() + ") AS s WHERE metric IS NOT NULL",
          row -> lines.add(AuditFixture.line(row)));
    }
    return lines;
  }

  private static StatisticsSql sql(StatisticsConfig config) {
    return new StatisticsSql(config, Set.of(), false);
  }

  /** The known answer in the lines of {@link AuditFixture}. */
  private static List<String> golden() throws IOException {
    List<String> lines = new ArrayList<>();
    for (String csv : Files.readAllLines(DATA.resolve("golden_daily_first_exposure.csv"))) {
      String[] f = csv.split(",", -1);
      if (f[0].equals("day_utc")) {
        continue;
      }
      String exposures = f[2];
      String active = f[3];
      String newUsers = f[4];
      String events = f[6];
      String converting = f[7];
      String newConverters = f[8];
      lines.add(
          String.join(
              " ",
              f[1],
              "conversion",
              f[0] + ":",
              exposures,
              active,
              converting,
              events,
              "0",
              newUsers,
              newConverters,
              newConverters,
              newConverters));
      lines.add(
          String.join(
              " ",
              f[1],
              "revenue",
              f[0] + ":",
              exposures,
              active,
              "0",
              "0",
              "0",
              newUsers,
              "0",
              "0",
              "0"));
    }
    return lines;
  }

  private static void insert(String table, String rows) throws SQLException, IOException {
    ByteArrayOutputStream csv = new ByteArrayOutputStream();
    try (Connection connection = fixture.postgres().connect()) {
      connection
          .unwrap(PGConnection.class)
          .getCopyAPI()
          .copyOut("COPY (" + rows + ") TO STDOUT (FORMAT csv, HEADER)", csv);
    }
    fixture
        .clickHouse()
        .query(
            "INSERT INTO "
                + table
                + " SETTINGS async_insert = 0, date_time_input_format = 'best_effort' FORMAT CSVWithNames\n"
                + csv.toString(StandardCharsets.UTF_8));
  }
}
