package io.experimentetl.report;

import io.experimentetl.report.NumberText.Unit;
import io.experimentetl.report.Plots.Plot;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * One metric of the page: a row per variant, and a plot per variant.
 *
 * @param role empty: a goal
 * @param sharedVerdict the verdict where it is the same for all variants; empty: each has its own
 * @param note why there is no lift to plot; empty: there is
 * @param lifts one list, or none
 * @param means one list, or none; shown where there is no lift
 */
record MetricSection(
    String metric,
    String unit,
    String role,
    String meanName,
    String effectUnit,
    String sharedVerdict,
    String note,
    List<VariantRow> variants,
    List<List<Plot>> lifts,
    List<List<Plot>> means) {

  /** A figure as ClickHouse returned it, and as it is shown. */
  record Shown(String value, String shown) {}

  record VariantRow(
      long variantId,
      String variant,
      String variantName,
      boolean control,
      String verdict,
      String outcome,
      Shown mean,
      Shown users,
      Estimate lift,
      Estimate effect,
      Estimate.Cuped cuped,
      Shown p,
      Shown alwaysValidP) {}

  /**
   * The section of a metric.
   *
   * @param variants rows of experiment_results by variant, in the order of days
   * @param cumulative rows of experiment_cumulative
   */
  static MetricSection of(
      String metric, Map<Long, List<Figures.Row>> variants, Figures cumulative, Plots plots) {
    String kind =
        variants.values().stream()
            .map(rows -> PageRows.last(rows).text("kind"))
            .findFirst()
            .orElse("");
    List<Plot> lifts = new ArrayList<>();
    for (List<Figures.Row> rows : variants.values()) {
      if (!PageRows.isControl(rows) && rows.stream().anyMatch(row -> row.number("lift") != null)) {
        lifts.add(plots.lift(metric, rows));
      }
    }
    List<Plot> means = new ArrayList<>();
    if (lifts.isEmpty()) {
      byVariant(metric, cumulative)
          .forEach(
              (variant, rows) ->
                  means.add(
                      plots.mean(
                          metric,
                          variants.containsKey(variant)
                              ? PageRows.variantName(PageRows.last(variants.get(variant)))
                              : "variant " + variant,
                          rows)));
    }
    return new MetricSection(
        metric,
        kind,
        role(variants),
        meanName(kind),
        effectUnit(kind),
        sharedVerdict(variants),
        lifts.isEmpty() ? noLift(variants) : "",
        variants.values().stream().map(rows -> variant(PageRows.last(rows))).toList(),
        ReportPage.orNothing(lifts),
        ReportPage.orNothing(means));
  }

  /** The role with the direction of an improvement. */
  private static String role(Map<Long, List<Figures.Row>> variants) {
    Figures.Row row = PageRows.last(variants.values().iterator().next());
    String role = row.text("metric_role").equals("goal") ? "" : row.text("metric_role");
    String direction =
        switch (row.text("metric_direction")) {
          case "increase" -> "more is better";
          case "decrease" -> "less is better";
          default -> "";
        };
    return role + (role.isEmpty() || direction.isEmpty() ? "" : ", ") + direction;
  }

  private static String noLift(Map<Long, List<Figures.Row>> variants) {
    return variants.values().stream().anyMatch(PageRows::isControl)
        ? "There is no lift to plot: the control's mean is 0, or there is nothing to compare with it."
        : "There is no effect and no lift: no variant is the control.";
  }

  private static Map<Long, List<Figures.Row>> byVariant(String metric, Figures cumulative) {
    return cumulative.rows().stream()
        .filter(row -> row.text("metric").equals(metric))
        .collect(
            Collectors.groupingBy(PageRows::variantId, LinkedHashMap::new, Collectors.toList()));
  }

  private static String sharedVerdict(Map<Long, List<Figures.Row>> variants) {
    Set<String> verdicts = new TreeSet<>();
    variants.values().forEach(rows -> verdicts.add(PageRows.last(rows).text("verdict")));
    return verdicts.size() == 1 ? verdicts.iterator().next() : "";
  }

  static String meanName(String kind) {
    return switch (kind) {
      case "proportion" -> "Share of users";
      case "ratio" -> "Ratio";
      case "count" -> "Events per user";
      default -> "Mean per user";
    };
  }

  private static String effectUnit(String kind) {
    return switch (kind) {
      case "proportion" -> "percentage points";
      case "ratio" -> "of the ratio";
      case "count" -> "events per user";
      default -> "per user";
    };
  }

  private static VariantRow variant(Figures.Row row) {
    boolean share = row.text("kind").equals("proportion");
    Unit unit = share ? Unit.POINTS : Unit.PLAIN;
    int decimals =
        NumberText.decimals(
            row.number("effect"), row.number("effect_low"), row.number("effect_high"), unit);
    int meanDecimals =
        row.number("effect_low") != null
            ? decimals
            : NumberText.decimals(row.number("mean"), null, null, unit);
    return new VariantRow(
        PageRows.variantId(row),
        PageRows.variantName(row),
        row.text("variant_name").equals(PageRows.variantName(row)) ? "" : row.text("variant_name"),
        row.isTrue("is_control"),
        row.text("verdict"),
        row.text("outcome"),
        new Shown(
            row.text("mean"),
            NumberText.level(row.number("mean"), meanDecimals, share ? Unit.PERCENT : Unit.PLAIN)),
        new Shown(row.text("n"), NumberText.count(PageRows.orZero(row.number("n")))),
        Estimate.of(row, "lift", "always_valid_lift", Unit.PERCENT),
        Estimate.of(row, "effect", "always_valid", unit),
        Estimate.cuped(row, unit),
        new Shown(row.text("p"), NumberText.p(row.number("p"))),
        new Shown(row.text("always_valid_p"), NumberText.p(row.number("always_valid_p"))));
  }
}
