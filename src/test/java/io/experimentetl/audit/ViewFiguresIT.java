package io.experimentetl.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.audit.DrawnComparisons.Comparison;
import io.experimentetl.audit.WelchFieller.Lift;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The views' figures for thousands of comparisons, drawn at random and chosen at the edges, against
 * an independent computation ({@link WelchFieller}), and for readers with other settings.
 */
class ViewFiguresIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final int RANDOM_CASES = 4_000;

  /** Rows of a table for which reading all of it is far from reading a few granules. */
  private static final int LARGE = 400_000;

  private static Map<Long, Comparison> comparisons;
  private static ClickHouseEndpoint warehouse;
  private static Map<Long, Map<String, String>> results;

  @BeforeAll
  static void fillWarehouse() throws Exception {
    warehouse = PLATFORM.newClickHouseDatabase("figures");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);
    DrawnComparisons drawn = new DrawnComparisons();
    drawn.edges();
    drawn.random(RANDOM_CASES);
    comparisons = drawn.comparisons();
    warehouse.query(
        "INSERT INTO experiment_daily_stats (experiment_id, variant_id, metric, kind, day, new_users, new_converters, events, d_sum,"
            + " d_sum_sq, d_den_sum, d_den_sum_sq, d_num_den, d_x_sum, d_x_sum_sq, d_xy) VALUES "
            + drawn.rows());
    warehouse.query(
        "INSERT INTO variants (id, experiment_id, key, name, is_control, allocation_pct) SELECT number * 10 + v, number, 'v', 'V', v = 1, 50"
            + " FROM numbers(1, %d) ARRAY JOIN [1, 2] AS v".formatted(comparisons.size()));
    results = read("SELECT * FROM experiment_results WHERE NOT is_control", Map.of());
  }

  /** Rows by experiment; a value that is NULL is absent. */
  private static Map<Long, Map<String, String>> read(String sql, Map<String, String> settings)
      throws Exception {
    Map<Long, Map<String, String>> rows = new HashMap<>();
    try (ClickHouseReader reader = new ClickHouseReader(warehouse.login().connection(), settings)) {
      reader.read(
          sql,
          Map.of(),
          Duration.ofMinutes(4),
          row -> {
            Map<String, String> values = new LinkedHashMap<>();
            for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
              if (row.getString(i) != null) {
                values.put(row.getMetaData().getColumnName(i), row.getString(i));
              }
            }
            rows.put(row.getLong("experiment_id"), values);
          });
    }
    return rows;
  }

  @Test
  void everyComparisonIsTheIndependentOne() {
    assertThat(results).hasSameSizeAs(comparisons);
    comparisons.forEach(
        (id, one) -> {
          Map<String, String> row = results.get(id);
          String as = one + " is " + row;
          double se = WelchFieller.standardError(one.treatment(), one.control());
          assertFigure(as, row, "variance", one.treatment().variance(), 1e-9);
          if (Double.isNaN(se)) {
            assertThat(row)
                .as(as)
                .doesNotContainKeys(
                    "p",
                    "effect_low",
                    "effect_high",
                    "lift_low",
                    "lift_high",
                    "lift_interval",
                    "always_valid_p",
                    "always_valid_low",
                    "always_valid_lift_interval");
            return;
          }
          double effect = WelchFieller.effect(one.treatment(), one.control());
          double critical =
              WelchFieller.critical(one.isProportion(), one.treatment(), one.control());
          double always = WelchFieller.alwaysValidCritical(one.treatment().n() + one.control().n());
          assertThat(number(row, "effect")).as(as).isCloseTo(effect, within(1e-9 * se));
          assertThat(number(row, "p"))
              .as(as)
              .isCloseTo(
                  WelchFieller.p(one.isProportion(), effect / se, one.treatment(), one.control()),
                  within(1e-8));
          assertThat(number(row, "effect_low"))
              .as(as)
              .isCloseTo(effect - critical * se, within(2e-6 * critical * se));
          assertLift(as, row, "lift", WelchFieller.lift(critical, one.treatment(), one.control()));
          assertLift(
              as,
              row,
              "always_valid_lift",
              WelchFieller.lift(always, one.treatment(), one.control()));
        });
  }

  private static void assertLift(String as, Map<String, String> row, String column, Lift lift) {
    assertThat(row.get(column + "_interval")).as(as).isEqualTo(lift.shape());
    double width = Double.isNaN(lift.high()) ? 1 + Math.abs(lift.low()) : lift.high() - lift.low();
    assertEnd(as, row, column + "_low", lift.low(), width);
    assertEnd(as, row, column + "_high", lift.high(), width);
  }

  private static void assertEnd(
      String as, Map<String, String> row, String column, double end, double width) {
    if (Double.isNaN(end)) {
      assertThat(row).as(as).doesNotContainKey(column);
    } else {
      assertThat(number(row, column))
          .as("%s of %s, expected %s", column, as, end)
          .isCloseTo(end, within(1e-5 * width + 1e-9 * Math.abs(end)));
    }
  }

  private static void assertFigure(
      String as, Map<String, String> row, String column, double expected, double relative) {
    if (Double.isNaN(expected)) {
      assertThat(row).as(as).doesNotContainKey(column);
    } else {
      assertThat(number(row, column))
          .as("%s of %s", column, as)
          .isCloseTo(expected, within(relative * expected));
    }
  }

  @Test
  void liftNeverContradictsTheTest() {
    int shown = 0;
    for (Map<String, String> row : results.values()) {
      assertThat(row.values()).as(row.toString()).doesNotContain("NaN", "nan", "Infinity", "inf");
      for (String[] look :
          new String[][] {
            {"p", "effect", "lift"}, {"always_valid_p", "always_valid", "always_valid_lift"}
          }) {
        if (row.containsKey(look[2] + "_interval")) {
          shown++;
          boolean significant = number(row, look[0]) < 0.05;
          assertThat(excludesZero(row, look[1])).as(row.toString()).isEqualTo(significant);
          assertThat(excludesZero(row, look[2])).as(row.toString()).isEqualTo(significant);
        }
      }
    }
    assertThat(shown).isGreaterThan(RANDOM_CASES);
    for (String column : List.of("lift_interval", "always_valid_lift_interval")) {
      assertThat(results.values())
          .extracting(row -> row.get(column))
          .contains("bounded", "bounded below", "unbounded", null);
    }
  }

  private static boolean excludesZero(Map<String, String> row, String column) {
    return (row.containsKey(column + "_low") && number(row, column + "_low") > 0)
        || (row.containsKey(column + "_high") && number(row, column + "_high") < 0);
  }

  @Test
  void fewEventsGiveALiftThatAgreesWithItsTest() {
    Map<String, String> row = results.get(1L);
    assertThat(number(row, "p")).isCloseTo(0.032, within(5e-4));
    assertThat(row.get("lift_interval")).isEqualTo("bounded");
    assertThat(number(row, "lift_low")).isCloseTo(0.0749, within(1e-4));
    assertThat(number(row, "lift")).isCloseTo(1.2, within(1e-9));
  }

  /** Settings that a reader's profile may have; some change what the same SQL returns. */
  private static Map<String, Map<String, String>> profiles() {
    Map<String, Map<String, String>> profiles = new LinkedHashMap<>();
    for (String setting :
        List.of(
            "join_use_nulls=1",
            "transform_null_in=1,group_by_use_nulls=1,totals_mode=before_having",
            "final=1,do_not_merge_across_partitions_select_final=1,session_timezone=America/Los_Angeles,date_time_overflow_behavior=throw,use_legacy_to_time=1",
            "aggregate_functions_null_for_empty=1",
            "prefer_column_name_to_alias=1",
            "asterisk_include_alias_columns=1,asterisk_include_materialized_columns=1",
            "join_default_strictness=ANY,any_join_distinct_right_table_keys=1",
            "join_algorithm=partial_merge,extremes=1,decimal_check_overflow=0",
            "allow_experimental_variant_type=1,use_variant_as_common_type=1,cast_keep_nullable=1,union_default_mode=DISTINCT",
            "least_greatest_legacy_null_behavior=1,short_circuit_function_evaluation=disable,max_threads=1,max_block_size=7,optimize_move_to_prewhere=0,enable_optimize_predicate_expression=0",
            "compatibility=24.3",
            OLD_ANALYZER)) {
      Map<String, String> settings = new LinkedHashMap<>();
      for (String one : setting.split(",", -1)) {
        settings.put(one.split("=", 2)[0], one.split("=", 2)[1]);
      }
      profiles.put(setting, settings);
    }
    return profiles;
  }

  /** Refused by some views: they name lambdas, which only the newer analyzer understands. */
  private static final String OLD_ANALYZER = "enable_analyzer=0";

  private static final List<String> VIEWS =
      List.of(
          "(SELECT * EXCEPT lag_seconds FROM etl_progress)",
          "experiment_daily",
          "experiment_cumulative",
          "experiment_results",
          "experiment_segments(dimension = 'country', event_type = 'purchase', property = 'revenue')",
          "experiment_segments(dimension = 'country', event_type = 'purchase', property = '')",
          "experiment_health",
          "findings_open");

  @Test
  void figuresAreTheSameUnderEveryReadersProfile() throws Exception {
    ClickHouseEndpoint small = smallWarehouse();
    Map<String, String> expected = all(small, Map.of());
    assertThat(expected).hasSameSizeAs(VIEWS).doesNotContainValue("");
    StringJoiner wrong = new StringJoiner("\n");
    for (Map.Entry<String, Map<String, String>> profile : profiles().entrySet()) {
      all(small, profile.getValue())
          .forEach(
              (view, found) -> {
                boolean refused =
                    profile.getKey().equals(OLD_ANALYZER) && found.startsWith("ClickHouse at ");
                if (!refused && !found.equals(expected.get(view))) {
                  wrong.add(
                      view
                          + " under "
                          + profile.getKey()
                          + ": "
                          + difference(expected.get(view), found));
                }
              });
    }
    assertThat(wrong.toString()).isEmpty();
  }

  private static String difference(String expected, String found) {
    String[] lines = expected.split("\n", -1);
    String[] others = found.split("\n", -1);
    for (int i = 0; i < Math.min(lines.length, others.length); i++) {
      if (!lines[i].equals(others[i])) {
        return others[i] + "\n  instead of " + lines[i];
      }
    }
    return others.length + " rows instead of " + lines.length;
  }

  /** The views' rows in order, as text; or why ClickHouse refused. */
  private static Map<String, String> all(ClickHouseEndpoint from, Map<String, String> settings)
      throws Exception {
    Map<String, String> texts = new LinkedHashMap<>();
    try (ClickHouseReader reader = new ClickHouseReader(from.login().connection(), settings)) {
      for (String view : VIEWS) {
        StringJoiner lines = new StringJoiner("\n");
        try {
          reader.read(
              "SELECT * FROM " + view + " ORDER BY ALL",
              Map.of(),
              Duration.ofMinutes(4),
              row -> {
                StringJoiner line = new StringJoiner("\t");
                for (int i = 1; i <= row.getMetaData().getColumnCount(); i++) {
                  line.add(row.getMetaData().getColumnName(i) + "=" + row.getString(i));
                }
                lines.add(line.toString());
              });
          texts.put(view, lines.toString());
        } catch (ClickHouseReadException e) {
          texts.put(view, e.getMessage());
        }
      }
    }
    return texts;
  }

  /** With references that lead nowhere, variants without rows, and columns that are NULL. */
  private static ClickHouseEndpoint smallWarehouse() {
    ClickHouseEndpoint small = PLATFORM.newClickHouseDatabase("profiles");
    new SqlFiles(Path.of("sql")).applyTo(small.login(), true);
    small.query(
        "INSERT INTO experiment_daily_stats SELECT * REPLACE (if(experiment_id < 5, experiment_id, 1) AS experiment_id, concat(metric, toString(experiment_id)) AS metric,"
            + " day + experiment_id %% 3 AS day) FROM %s.experiment_daily_stats WHERE experiment_id < 5 OR experiment_id %% 1000 = 0"
                .formatted(warehouse.database()));
    small.query(
        "INSERT INTO variants SELECT * FROM %s.variants WHERE id IN (11, 12, 21, 22, 32)"
            .formatted(warehouse.database()));
    small.query(
        "INSERT INTO etl_sink_progress (sequence_number, lsn, committed_at, snapshot_done, written_at) VALUES (100, 7, '2026-03-29 10:11:12.5', true, toDateTime64('2099-03-29 10:11:13', 3, 'UTC'))");
    small.query(
        "INSERT INTO metrics (metric, place, role, direction, experiments) VALUES ('conversion1', 2, 'guardrail', 'decrease', '^(?s).*$'),"
            + " ('revenue1', 1, 'goal', 'increase', '^(?s)(o.*)$'), ('mean1', 3, 'diagnostic', '', '^(?s)(elsewhere)$')");
    small.query(
        "INSERT INTO experiments (id, key, name, status, starts_at) VALUES (1, 'one', 'One', 'ACTIVE', NULL),"
            + " (2, 'two', 'Two', 'DRAFT', '2026-02-01'), (99999, 'empty', 'Empty', 'ACTIVE', NULL)");
    small.query(
        "INSERT INTO experiment_health_daily (experiment_id, day, variant_ids, assigned_users, exposed_users, weights,"
            + " crossover_users, exposures, srm_df, srm_p) SELECT number % 4 + 1, toDate32('2026-03-10') - intDiv(number, 4), [11, 12],"
            + " [900, 900 + number], [800, 0], [50, 50], 40, number, 1, 0.5 / (number + 1) FROM numbers(40)");
    small.query(
        "INSERT INTO data_inconsistencies (code, subject_kind, subject_key, severity, status, experiment_id, observed_at) VALUES"
            + " ('H-SRM', 'experiment', '1', 'ERROR', 'OPEN', 1, '2026-03-03 23:30:00'), ('T-FUTURE', 'event', 'x', 'ERROR', 'OPEN', 3, '2026-03-03'),"
            + " ('M-ENDED', 'metric', 'ratio', 'INFO', 'OPEN', NULL, '2026-03-03 01:00:00'), ('A-CROSSOVER', 'user', 'y', 'WARNING', 'OPEN', 2, '2026-03-04')");
    small.query(
        "INSERT INTO assignments_processed (id, experiment_id, user_id, variant_id, source, assigned_at)"
            + " SELECT number, 1, concat('u', toString(number)), 11 + number % 2, 'hash', '2026-03-01' FROM numbers(60)");
    small.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, variant_id, event_type, properties, user_properties)"
            + " SELECT generateUUIDv4(number), '2026-03-01 10:00:00', 1, concat('u', toString(number)), if(number = 7, NULL, 11 + number % 2),"
            + " 'exposure', NULL, if(number < 50, concat('{\"country\": \"', ['DE', 'FR', 'US'][number % 3 + 1], '\"}'), NULL) FROM numbers(60)");
    small.query(
        "INSERT INTO events_processed (event_id, timestamp, experiment_id, user_id, variant_id, event_type, properties, user_properties)"
            + " SELECT generateUUIDv4(number), '2026-03-01 11:00:00', 1, concat('u', toString(number)), 11 + number % 2,"
            + " 'purchase', concat('{\"revenue\": ', toString(900000000000 + number % 3), '}'), NULL FROM numbers(40)");
    return small;
  }

  @Test
  void viewsOfOneExperimentReadItsRowsOnly() throws Exception {
    ClickHouseEndpoint large = PLATFORM.newClickHouseDatabase("large");
    new SqlFiles(Path.of("sql")).applyTo(large.login(), true);
    for (String fill :
        List.of(
            "INSERT INTO experiment_daily_stats (experiment_id, metric, variant_id, day, new_users) SELECT number %% 10000, 'm', number %% 2, '2026-03-01', 1 FROM numbers(%d)",
            "INSERT INTO experiment_health_daily (experiment_id, day) SELECT number %% 10000, toDate32('2026-03-01') + intDiv(number, 10000) FROM numbers(%d)",
            "INSERT INTO events_processed (experiment_id, user_id, timestamp, event_id, event_type) SELECT number %% 100, toString(number), '2026-03-01', generateUUIDv4(number), 'exposure' FROM numbers(%d)",
            "INSERT INTO assignments_processed (experiment_id, user_id, id) SELECT number %% 100, toString(number), number FROM numbers(%d)")) {
      large.query(fill.formatted(LARGE));
    }
    for (String view :
        List.of(
            "experiment_daily",
            "experiment_cumulative",
            "experiment_results",
            "experiment_health",
            "experiment_segments(dimension = 'country', event_type = 'purchase', property = '')")) {
      // experiment_cumulative reads its table four times, and each of assignments_processed's four
      // partitions has granules of the experiment.
      String read =
          large.query(
              "SELECT table, sum(rows) FROM (EXPLAIN ESTIMATE SELECT * FROM %s WHERE experiment_id = 77) GROUP BY table HAVING sum(rows) > %d"
                  .formatted(view, LARGE / 4));
      assertThat(read).as(view).isEmpty();
    }
  }

  private static double number(Map<String, String> row, String column) {
    assertThat(row).containsKey(column);
    return Double.parseDouble(row.get(column));
  }
}
