package io.experimentetl.local.demo;

import io.experimentetl.local.traffic.OptimizelyData;
import java.util.List;

/** Compares the warehouse with the known figures of the Optimizely Labs set. */
final class OptimizelyAnswer {
  private static final List<Integer> USERS = List.of(3_304, 3_329, 3_367);

  /**
   * Events at or after the decision, and their revenue in cents, as the events themselves name it.
   */
  private static final List<Integer> ATTRIBUTED_EVENTS = List.of(5_755, 7_121, 6_457);

  private static final List<Integer> ATTRIBUTED_CENTS = List.of(15_151_022, 20_790_662, 15_634_986);

  private static final String OF_THE_TEST =
      " FROM events_processed FINAL WHERE experiment_id = "
          + OptimizelyData.EXPERIMENT
          + " AND event_type != 'exposure'";
  private static final String STATISTICS =
      " FROM experiment_daily_stats FINAL WHERE experiment_id = " + OptimizelyData.EXPERIMENT;

  private final OptimizelyData data;
  private final WarehouseTables warehouse;

  OptimizelyAnswer(OptimizelyData data, WarehouseTables warehouse) {
    this.data = data;
    this.warehouse = warehouse;
  }

  void rows(Report report) {
    // Events are received before their visitor's decision: how many of them are corrected hangs on
    // the load's speed.
    report.equal(
        "event rows, FINAL",
        data.events(),
        warehouse.count("SELECT count() FROM events_processed FINAL"));
    report.equal("events of the test", 38_648, warehouse.count("SELECT count()" + OF_THE_TEST));
    report.equal(
        "their revenue in cents",
        104_901_208,
        warehouse.count(
            "SELECT toInt64(sum(JSONExtractInt(ifNull(properties, ''), 'revenue')))"
                + OF_THE_TEST));
    report.equal(
        "events before the visitor's decision",
        19_315,
        warehouse.count(
            "SELECT count()"
                + OF_THE_TEST
                + " AND has(inconsistencies, 'T-EVENT-BEFORE-ASSIGNMENT')"));
    // 7,085 detail_page_view and 1,154 add_to_cart: the other types are covariates of a metric.
    report.equal(
        "events of two types that no exposure precedes",
        8_239,
        warehouse.count(
            "SELECT count()"
                + OF_THE_TEST
                + " AND has(inconsistencies, 'T-CONVERSION-BEFORE-EXPOSURE')"));
    report.equal(
        "rows of the orphan experiment, flagged",
        data.orphans(),
        warehouse.count(
            "SELECT count() FROM events_processed FINAL WHERE experiment_id = "
                + OptimizelyData.ORPHAN
                + " AND has(inconsistencies, 'R-ORPHAN-EXPERIMENT')"));
    report.equal(
        "findings R-ORPHAN-EXPERIMENT: experiment " + OptimizelyData.ORPHAN,
        1,
        warehouse.count(
            "SELECT count() FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND code = 'R-ORPHAN-EXPERIMENT' AND experiment_id = "
                + OptimizelyData.ORPHAN));
    report.equal(
        "statistics of the orphan experiment",
        0,
        warehouse.count(
            "SELECT count() FROM experiment_daily_stats FINAL WHERE experiment_id = "
                + OptimizelyData.ORPHAN));
    report.equal(
        "crossovers",
        0,
        warehouse.count("SELECT count() FROM data_inconsistencies WHERE code = 'A-CROSSOVER'"));
    for (int i = 0; i < OptimizelyData.VARIANTS.size(); i++) {
      variant(report, i, " AND variant_id = " + OptimizelyData.VARIANTS.get(i));
    }
    revenue(report, 1, 361_923, 2_043, 2_044);
    revenue(report, 2, 12_634, 907_173, 906_259);
  }

  /** Against variation_0, in millionths, by scipy.stats.ttest_ind (Welch) on the files. */
  private void revenue(Report report, int number, long lift, long p, long cupedP) {
    String ofVariant =
        " FROM experiment_results WHERE metric = 'revenue' AND variant_id = "
            + OptimizelyData.VARIANTS.get(number);
    report.equal(
        "lift of variation_" + number + "'s revenue, in millionths",
        lift,
        warehouse.count("SELECT toInt64(round(1000000 * assumeNotNull(lift)))" + ofVariant));
    report.equal(
        "its p",
        p,
        warehouse.count("SELECT toInt64(round(1000000 * assumeNotNull(p)))" + ofVariant));
    report.equal(
        "its p after CUPED",
        cupedP,
        warehouse.count("SELECT toInt64(round(1000000 * assumeNotNull(cuped_p)))" + ofVariant));
  }

  private void variant(Report report, int number, String ofVariant) {
    report.equal(
        "users of variation_" + number,
        USERS.get(number),
        warehouse.count(
            "SELECT sum(new_users)" + STATISTICS + ofVariant + " AND metric = 'revenue'"));
    report.equal(
        "its counted events, of four types",
        ATTRIBUTED_EVENTS.get(number),
        warehouse.count(
            "SELECT sum(events)"
                + STATISTICS
                + ofVariant
                + " AND metric IN ('revenue', 'homepage_views', 'detail_page_views', 'adds_to_cart')"));
    report.equal(
        "its revenue in cents",
        ATTRIBUTED_CENTS.get(number),
        warehouse.count(
            "SELECT toInt64(sum(d_sum))" + STATISTICS + ofVariant + " AND metric = 'revenue'"));
    report.equal(
        "its numerator and denominator of order_value, purchases",
        2L
            * warehouse.count(
                "SELECT sum(events)" + STATISTICS + ofVariant + " AND metric = 'revenue'"),
        warehouse.count(
            "SELECT toInt64(sum(d_den_sum)) + sum(events)"
                + STATISTICS
                + ofVariant
                + " AND metric = 'order_value'"));
  }
}
