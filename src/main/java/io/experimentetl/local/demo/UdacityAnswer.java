package io.experimentetl.local.demo;

import io.experimentetl.local.traffic.UdacityData;
import io.experimentetl.local.traffic.UdacityData.GoldenDay;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Compares the warehouse with the known figures of the Udacity set. */
final class UdacityAnswer {
  private static final List<String> CELLS =
      List.of(
          "exposures",
          "active_users",
          "new_users",
          "cumulative users",
          "events",
          "converting_users",
          "new_converters",
          "cumulative converters");

  private final UdacityData data;
  private final WarehouseTables warehouse;

  UdacityAnswer(UdacityData data, WarehouseTables warehouse) {
    this.data = data;
    this.warehouse = warehouse;
  }

  /** Counts that hold under either policy. */
  void rows(Report report) {
    report.equal(
        "event rows, physical",
        data.events(),
        warehouse.count("SELECT count() FROM events_processed"));
    report.equal(
        "event rows, FINAL",
        data.events(),
        warehouse.count("SELECT count() FROM events_processed FINAL"));
    report.equal("users", data.users(), warehouse.count("SELECT count() FROM users FINAL"));
    report.equal(
        "assignments",
        data.users(),
        warehouse.count("SELECT count() FROM assignments_processed FINAL"));
    report.equal(
        "exposures flagged R-VARIANT-MISMATCH", data.mismatchedExposures(), flagged("exposure"));
    report.equal(
        "conversions flagged R-VARIANT-MISMATCH",
        data.mismatchedEvents() - data.mismatchedExposures(),
        flagged("conversion"));
    report.equal(
        "findings R-VARIANT-MISMATCH", data.mismatchedEvents(), findings("R-VARIANT-MISMATCH"));
    report.equal("users flagged A-CROSSOVER", data.crossoverUsers(), findings("A-CROSSOVER"));
  }

  private long flagged(String type) {
    return warehouse.count(
        "SELECT count() FROM events_processed FINAL WHERE event_type = '"
            + type
            + "' AND has(inconsistencies, 'R-VARIANT-MISMATCH')");
  }

  private long findings(String code) {
    return warehouse.count(
        "SELECT count() FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND code = '"
            + code
            + "'");
  }

  /** The statistics of one variant and day, in the order of {@link #CELLS}. */
  private record Cells(String day, long[] figures) {}

  private List<Cells> cells() {
    return warehouse.rows(
        """
        SELECT toString(day), variant_id, exposures, active_users, new_users,
          sum(new_users) OVER (PARTITION BY variant_id ORDER BY day),
          events, converting_users, new_converters,
          sum(new_converters) OVER (PARTITION BY variant_id ORDER BY day)
        FROM experiment_daily_stats FINAL WHERE experiment_id = %d AND metric = 'conversion'
        """
            .formatted(UdacityData.EXPERIMENT),
        row -> {
          long[] figures = new long[CELLS.size()];
          for (int i = 0; i < figures.length; i++) {
            figures[i] = row.getLong(i + 3);
          }
          return new Cells(row.getString(1) + " variant " + row.getLong(2), figures);
        });
  }

  /** Every cell of the known daily statistics; they are those of policy {@code first}. */
  void golden(Report report) {
    Map<String, long[]> found = new HashMap<>();
    for (Cells row : cells()) {
      found.put(row.day(), row.figures());
    }
    int equal = 0;
    int cells = 0;
    List<String> differences = new ArrayList<>();
    for (GoldenDay day : data.golden()) {
      String key = day.day() + " variant " + day.variant();
      long[] expected = {
        day.exposures(),
        day.users(),
        day.newUsers(),
        day.cumulativeUsers(),
        day.conversions(),
        day.converters(),
        day.newConverters(),
        day.cumulativeConverters()
      };
      long[] figures = found.remove(key);
      for (int i = 0; i < expected.length; i++) {
        cells++;
        if (figures != null && figures[i] == expected[i]) {
          equal++;
        } else {
          differences.add(
              "%s: %s is %s, not %d"
                  .formatted(
                      key, CELLS.get(i), figures == null ? "missing" : figures[i], expected[i]));
        }
      }
    }
    report.equal("cells equal to golden_daily_first_exposure.csv", cells, equal);
    report.equal("days beyond those of the file", 0, found.size());
    differences.stream().limit(10).forEach(report::note);
  }
}
