package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.model.EventId;
import io.experimentetl.model.FindingCode;
import io.experimentetl.operations.SqlFiles;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.StringJoiner;
import java.util.stream.IntStream;
import org.apache.commons.math3.distribution.NormalDistribution;
import org.apache.commons.math3.stat.StatUtils;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The views about the warehouse as a whole: progress, health, findings, activity and segments. */
class OperationalViewsIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private ClickHouseEndpoint warehouse;

  @BeforeEach
  void createExperimentWithTwoVariants() {
    warehouse = PLATFORM.newClickHouseDatabase("views");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);
    warehouse.query(
        "INSERT INTO experiments (id, key, name, status) VALUES (1, 'checkout', 'Checkout', 'ACTIVE')");
    warehouse.query(
        "INSERT INTO variants (id, experiment_id, key, name, is_control) VALUES (11, 1, 'control', 'Old', true), (12, 1, 'treatment', 'New', false)");
  }

  @Test
  void sqlFilesCanBeAppliedTwice() {
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);

    assertThat(
            warehouse.query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' AND comment != '' ORDER BY name"))
        .isEqualTo(
            "etl_progress\nexperiment_cumulative\nexperiment_daily\nexperiment_health\nexperiment_results\nexperiment_results_of\nexperiment_segments\nfindings_open");
    assertThat(
            warehouse.query(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %' ORDER BY name"))
        .isEqualTo(
            "assignments_processed\netl_audits\netl_sink_progress\nevents_processed\nexperiment_daily_stats\nexperiment_health_daily");
  }

  @Test
  void segmentsByUserPropertyComeFromTheRows() {
    String[] countries = {"DE", "DE", "US", "DE", "US", "DE", "DE", "US"};
    double[] spent = {10.5, 0, 7, 3, 2, 8.25, 1, 4};
    for (int i = 0; i < spent.length; i++) {
      int variant = 11 + i % 2;
      warehouse.query(
          "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at) VALUES (%d, 1, 'u%d', %d, 'hash', '2026-03-01')"
              .formatted(i, i, variant));
      event(i, "exposure", "10:00:00", variant, "", countries[i]);
      // Events before the exposure, and repeated ones, do not count; the property is that of the
      // exposure.
      event(i, "purchase", "09:00:00", variant, "{\"revenue\": 1000}", "FR");
      for (int again = 0; spent[i] > 0 && again < 2; again++) {
        event(
            i,
            "purchase",
            "1%d:00:00".formatted(1 + again),
            variant,
            "{\"revenue\": " + spent[i] + "}",
            "FR");
      }
      event(i, "purchase", "13:00:00", variant, "{\"revenue\": \"5\"}", "FR");
    }
    // Neither a crossover nor a forced user counts.
    warehouse.query(
        "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at) VALUES (90, 1, 'u90', 11, 'hash', '2026-03-01'), (91, 1, 'u91', 11, 'forced', '2026-03-01')");
    event(90, "exposure", "10:00:00", 12, "", "DE");
    event(91, "exposure", "10:00:00", 11, "", "DE");

    assertThat(
            warehouse.query(
                "SELECT value, variant_id, n, users_with, total, mean, effect FROM experiment_segments(dimension = 'country',"
                    + " event_type = 'purchase', property = 'revenue') ORDER BY value, variant_id"))
        .isEqualTo(
            "DE\t11\t2\t2\t11.5\t5.75\t\\N\nDE\t12\t3\t2\t11.25\t3.75\t-2\nUS\t11\t2\t2\t9\t4.5\t\\N\nUS\t12\t1\t1\t4\t4\t-0.5");
    String[] row =
        row(
            "SELECT p, effect_high FROM experiment_segments(dimension = 'country', event_type = 'purchase', property = 'revenue')"
                + " WHERE value = 'DE' AND variant_id = 12");
    double se =
        Math.sqrt(
            StatUtils.variance(new double[] {0, 3, 8.25}) / 3
                + StatUtils.variance(new double[] {10.5, 1}) / 2);
    assertThat(number(row[0]))
        .isCloseTo(2 * new NormalDistribution().cumulativeProbability(-2 / se), within(1e-9));
    assertThat(number(row[1])).isCloseTo(-2 + 1.959963984540054 * se, within(1e-9));
    assertThat(
            warehouse.query(
                "SELECT value, variant_id, total FROM experiment_segments(dimension = 'country', event_type = 'purchase', property = '') ORDER BY ALL"))
        .isEqualTo("DE\t11\t4\nDE\t12\t5\nUS\t11\t4\nUS\t12\t2");
  }

  @Test
  void progressIsTheGreatestMarker() {
    assertThat(warehouse.query("SELECT * FROM etl_progress")).isEmpty();
    marker(warehouse, 100, 80);
    marker(warehouse, 100, 90);
    assertThat(warehouse.query("SELECT sequence_number, lsn FROM etl_progress"))
        .as("the log has moved on without a row of ours")
        .isEqualTo("100\t90");
    marker(warehouse, 200, 190);
    assertThat(warehouse.query("SELECT sequence_number, lsn, snapshot_done FROM etl_progress"))
        .isEqualTo("200\t190\ttrue");
  }

  @Test
  void progressNamesNoPositionBeforeTheFirstTransactionIsVisible() {
    marker(warehouse, 100, 0);
    assertThat(
            warehouse.query(
                "SELECT sequence_number, lsn, committed_at, snapshot_done, lag_seconds FROM etl_progress"))
        .isEqualTo("100\t\\N\t\\N\ttrue\t\\N");
  }

  @Test
  void experimentHealthIsOneRow() {
    warehouse.query(
        "INSERT INTO experiments (id, key, status) VALUES (7, 'seven', 'ACTIVE'), (8, 'eight', 'DRAFT')");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, variant_ids, assigned_users, exposed_users, weights,"
            + " crossover_users, exposures, srm_df, srm_p) SELECT 7, toDate32('2026-03-10') - number, [71, 72, 73], [900, 900, 0],"
            + " [800, 0, 0], [50, 50, 0], 40, if(number = 0, 0, number), 1, 0.5 FROM numbers(8)");
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, events, d_sum, d_sum_sq) VALUES"
            + " (7, 71, 'revenue', '2026-03-09', 3, 10, 60), (7, 71, 'revenue', '2026-03-10', 1, 10, 140),"
            + " (7, 72, 'revenue', '2026-03-10', 2, 10, 20)");
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status, experiment_id) VALUES"
            + " ('H-SRM', 'x', 'ERROR', 'OPEN', 7), ('T-LATE', 'x', 'INFO', 'OPEN', 7)");
    assertThat(
            warehouse.query(
                "SELECT experiment_key, open_findings, assigned_users, exposed_users, srm_p, crossover_rate, variants_without_users,"
                    + " last_day, exposures_on_last_day, usual_exposures, last_exposure_day, metric_events, outlier_shares"
                    + " FROM experiment_health WHERE experiment_id IN (7, 8) ORDER BY experiment_id"))
        .isEqualTo(
            "seven\t['H-SRM']\t1800\t800\t0.5\t0.05\t[72]\t2026-03-10\t0\t4\t2026-03-09\t{'revenue':6}\t{'revenue':0.5}\n"
                + "eight\t[]\t0\t0\t\\N\t\\N\t[]\t\\N\t0\t\\N\t\\N\t{}\t{}");
  }

  @Test
  void usualExposuresAreUnknownBeforeSevenDays() {
    warehouse.query("INSERT INTO experiments (id, key, status) VALUES (9, 'nine', 'ACTIVE')");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, variant_ids, exposures)"
            + " SELECT 9, toDate32('2026-03-10') - number, [91], 96 FROM numbers(7)");
    assertThat(
            warehouse.query(
                "SELECT exposures_on_last_day, usual_exposures FROM experiment_health WHERE experiment_id = 9"))
        .isEqualTo("96\t\\N");
  }

  @Test
  void rowsThatAreBehindAreAFindingWhileNoCheckpointCompletes() {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, severity, status, observed_at) VALUES"
            + " ('H-FRESHNESS', 'pipeline', 'WARNING', 'OPEN', '2026-03-03')");
    String marker =
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at, lag_limit_seconds)"
            + " SELECT %d, 7, now64(6) - INTERVAL %d SECOND, true, now64(3), 300";
    warehouse.query(marker.formatted(1, 200));
    assertThat(warehouse.query("SELECT code FROM findings_open")).as("the past").isEmpty();
    warehouse.query(marker.formatted(2, 3_605));
    assertThat(
            row(
                "SELECT severity, code, subject, experiment_id, remedy, match(detail, '^360[5-9] seconds$|^36[1-9][0-9] seconds$') FROM findings_open"))
        .containsExactly(
            "WARNING", "H-FRESHNESS", "pipeline:", "\\N", FindingCode.H_FRESHNESS.remedy(), "1");
  }

  @Test
  void segmentsOfLargeValuesKeepTheirVariance() {
    for (int i = 1; i <= 100; i++) {
      warehouse.query(
          "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at) VALUES (%d, 1, 'u%d', %d, 'hash', '2026-03-01')"
              .formatted(i, i, 11 + i % 2));
      event(i, "exposure", "10:00:00", 11 + i % 2, "", "DE");
      event(
          i,
          "purchase",
          "11:00:00",
          11 + i % 2,
          "{\"revenue\": " + (900_000_000_000L + i % 3) + "}",
          "DE");
    }
    String[] row =
        row(
            "SELECT variance, effect, effect_se, p FROM experiment_segments(dimension = 'country', event_type = 'purchase', property = 'revenue')"
                + " WHERE variant_id = 12");
    double[] treatment =
        IntStream.rangeClosed(1, 100).filter(i -> i % 2 == 1).mapToDouble(i -> i % 3).toArray();
    double[] control =
        IntStream.rangeClosed(1, 100).filter(i -> i % 2 == 0).mapToDouble(i -> i % 3).toArray();
    assertThat(number(row[0]))
        .isCloseTo(StatUtils.variance(treatment), within(1e-12))
        .isCloseTo(0.673, within(1e-3));
    assertThat(number(row[1]))
        .isCloseTo(StatUtils.mean(treatment) - StatUtils.mean(control), within(1e-12));
    assertThat(number(row[2])).isCloseTo(0.164, within(1e-3));
    assertThat(number(row[3])).isCloseTo(0.81, within(1e-2));
  }

  @Test
  void openErrorsAndWarningsComeWorstFirst() {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status, observed_at, _version) VALUES"
            + " ('D-DUP-EVENT', 'i', 'INFO', 'OPEN', '2026-03-03', 1), ('A-CROSSOVER', 'a', 'WARNING', 'OPEN', '2026-03-03', 1), ('H-SRM', 'b', 'ERROR', 'OPEN', '2026-03-01', 1),"
            + " ('H-SRM', 'c', 'ERROR', 'OPEN', '2026-03-02', 1), ('H-SRM', 'd', 'ERROR', 'OPEN', '2026-03-02', 1)");
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_key, severity, status, _version) VALUES ('H-SRM', 'd', 'ERROR', 'RESOLVED', 2)");

    assertThat(warehouse.query("SELECT subject_key FROM findings_open")).isEqualTo("c\nb\na");
  }

  /** What is open according to the findings themselves. */
  private static final String OPEN_BY_DEFINITION =
      "SELECT severity, code, subject_key, experiment_id, detail, observed_at FROM data_inconsistencies FINAL"
          + " WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING') AND code != 'H-FRESHNESS' ORDER BY ALL";

  @Test
  void openFindingsAreThoseOfTheFindingsAfterAnyWritesReplaysAndMerges() {
    Random random = new Random(13);
    List<String> batches = new ArrayList<>();
    int version = 0;
    for (int round = 0; round < 40; round++) {
      StringJoiner rows = new StringJoiner(", ");
      for (int i = 0; i < 25; i++) {
        FindingCode code =
            List.of(
                    FindingCode.R_VARIANT_MISMATCH,
                    FindingCode.T_NOT_RUNNING,
                    FindingCode.H_FRESHNESS,
                    FindingCode.T_LATE)
                .get(random.nextInt(4));
        version++;
        rows.add(
            "('%s', 'event', 'k%d', '%s', '%s', %d, 'row %d', toDateTime64('2026-03-03', 6, 'UTC') + %d, %d)"
                .formatted(
                    code.code(),
                    random.nextInt(30),
                    code.severity(),
                    List.of("OPEN", "OPEN", "RESOLVED", "DISMISSED").get(random.nextInt(4)),
                    1 + random.nextInt(3),
                    version,
                    version,
                    version));
      }
      batches.add(
          "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, detail, observed_at, _version) VALUES "
              + rows);
      warehouse.query(batches.get(round));
      switch (random.nextInt(6)) {
        case 0 -> warehouse.query("OPTIMIZE TABLE data_inconsistencies FINAL");
        case 1 -> warehouse.query(batches.get(random.nextInt(batches.size())));
        case 2 ->
            warehouse.query(
                "ALTER TABLE data_inconsistencies DELETE WHERE subject_key = 'k%d' SETTINGS mutations_sync = 2"
                    .formatted(random.nextInt(30)));
        default -> {}
      }
      String open = warehouse.query(OPEN_BY_DEFINITION);
      assertThat(open).isNotEmpty();
      assertThat(
              warehouse.query(
                  "SELECT severity, code, subject_key, experiment_id, detail, observed_at FROM findings_open ORDER BY ALL"))
          .as("round " + round)
          .isEqualTo(open);
      if (round % 10 == 9) {
        assertThat(
                warehouse.query(
                    "SELECT open_findings FROM experiment_health WHERE experiment_id = 1"))
            .as("round " + round)
            .isEqualTo(
                warehouse.query(
                    "SELECT arraySort(groupUniqArray(toString(code))) FROM data_inconsistencies FINAL WHERE status = 'OPEN'"
                        + " AND severity IN ('ERROR', 'WARNING') AND experiment_id = 1 SETTINGS use_skip_indexes = 0"));
      }
    }
  }

  @Test
  void openFindingsAreReadWithoutThoseThatAreNot() throws Exception {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, _version)"
            + " SELECT ['R-VARIANT-MISMATCH', 'D-DUP-EVENT', 'T-NOT-RUNNING'][number % 3 + 1], 'event', toString(cityHash64(number)),"
            + " ['ERROR', 'INFO', 'WARNING'][number % 3 + 1], if(number % 3 = 1 OR number % 9000 = 0, 'OPEN', 'RESOLVED'), 1, 1 FROM numbers(180000)");
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, new_users) VALUES (1, 11, 'm', '2026-03-01', 1), (1, 12, 'm', '2026-03-01', 1)");
    assertThat(warehouse.query("SELECT count() FROM findings_open")).isEqualTo("20");
    assertThat(warehouse.query("SELECT open_findings FROM experiment_health"))
        .isEqualTo("['R-VARIANT-MISMATCH']");

    for (String query :
        List.of(
            "SELECT * FROM findings_open",
            "SELECT * FROM experiment_results WHERE experiment_id = 1",
            "SELECT * FROM experiment_health WHERE experiment_id = 1")) {
      assertThat(rowsReadBy(query)).as(query).isBetween(20L, 18_000L);
    }
  }

  @Test
  void resultsOfOneExperimentReadOnlyItsOwnFindings() throws Exception {
    warehouse.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, _version)"
            + " SELECT 'R-VARIANT-MISMATCH', 'event', toString(cityHash64(number)), 'ERROR', 'OPEN', if(number % 5000 = 0, 1, 2 + number % 40), 1 FROM numbers(200000)");
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, new_users) VALUES (1, 11, 'm', '2026-03-01', 1), (1, 12, 'm', '2026-03-01', 1), (2, 21, 'm', '2026-03-01', 1)");
    String verdicts = "SELECT DISTINCT extract(verdict, 'open errors: [0-9]+') FROM ";

    for (String of :
        List.of(
            "experiment_results WHERE experiment_id = 1",
            "experiment_results_of(experiment_id = 1)")) {
      assertThat(warehouse.query(verdicts + of)).as(of).isEqualTo("open errors: 40");
    }
    // Its 40 open errors, each in a granule of 128 rows of the findings, and granules of the index.
    for (String of :
        List.of(
            "experiment_results WHERE experiment_id = 1",
            "experiment_results_of(experiment_id = 1)",
            "experiment_health WHERE experiment_id = 1")) {
      assertThat(rowsReadBy("SELECT * FROM " + of)).as(of).isBetween(80L, 20_000L);
    }
    assertThat(rowsReadBy("SELECT * FROM experiment_results")).isGreaterThan(200_000);
  }

  @Test
  void resultsOfOneExperimentReadOnlyItsOwnDays() throws Exception {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, new_users)"
            + " SELECT 1 + number % 1000, 10 * (1 + number % 1000) + 1 + intDiv(number, 1000) % 2, 'm', toDate32('2026-01-01') + intDiv(number, 2000), 1 FROM numbers(200000)");
    warehouse.query(
        "INSERT INTO experiment_health_daily (experiment_id, day) SELECT 1 + number % 1000, toDate32('2026-01-01') + intDiv(number, 1000) FROM numbers(100000)");

    for (String of :
        List.of(
            "experiment_results WHERE experiment_id = 1",
            "experiment_results_of(experiment_id = 1)",
            "experiment_cumulative WHERE experiment_id = 1")) {
      assertThat(warehouse.query("SELECT count() FROM " + of)).as(of).isEqualTo("200");
      // Granules of 8,192 rows: the view reads the days four times and the health once.
      assertThat(rowsReadBy("SELECT * FROM " + of)).as(of).isBetween(200L, 60_000L);
    }
    assertThat(rowsReadBy("SELECT * FROM experiment_results")).isGreaterThan(900_000);
  }

  /** The rows that the server has read, by its own account in the answer's header. */
  private long rowsReadBy(String query) throws Exception {
    HttpResponse<String> answer =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(
                        URI.create(
                            warehouse.url()
                                + "/?wait_end_of_query=1&database="
                                + warehouse.database()))
                    .header("X-ClickHouse-User", warehouse.user())
                    .header("X-ClickHouse-Key", warehouse.password())
                    .POST(HttpRequest.BodyPublishers.ofString(query))
                    .build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    return new ObjectMapper()
        .readTree(answer.headers().firstValue("X-ClickHouse-Summary").orElseThrow())
        .get("read_rows")
        .asLong();
  }

  @Test
  void dailyActivityHasNamesAndShares() {
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, day, exposures, active_users,"
            + " converting_users, events, value_sum) VALUES (1, 12, 'revenue', '2026-03-01', 9, 8, 2, 4, 10)");

    assertThat(
            warehouse.query(
                "SELECT experiment_key, variant_name, is_control, converting_share, events_per_active_user, value_per_event FROM experiment_daily"))
        .isEqualTo("checkout\tNew\tfalse\t0.25\t0.5\t2.5");
  }

  private void event(
      int user, String type, String time, int variant, String properties, String country) {
    EventId id = EventId.of(type + user + properties);
    warehouse.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, variant_id, event_type, properties, user_properties)"
            + " VALUES (toUUID('%s'), '2026-03-01 %s', 1, 'u%d', %d, '%s', '%s', '{\"country\": \"%s\"}')"
                .formatted(id, time, user, variant, type, properties, country));
  }

  static void marker(ClickHouseEndpoint warehouse, long sequenceNumber, long lsn) {
    warehouse.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at, _version) VALUES (%1$d, %2$d, now64(), true, now64(), %2$d)"
            .formatted(sequenceNumber, lsn));
  }

  private String[] row(String query) {
    List<String> lines = warehouse.query(query).lines().toList();
    assertThat(lines).hasSize(1);
    return lines.get(0).split("\t", -1);
  }

  private static double number(String text) {
    return Double.parseDouble(text);
  }
}
