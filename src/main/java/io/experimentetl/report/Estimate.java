package io.experimentetl.report;

import io.experimentetl.report.NumberText.Unit;

/**
 * An estimate with its two intervals, each figure as ClickHouse returned it and as it is shown.
 *
 * @param fixed holds if the end was fixed before the start; null: none can be computed
 * @param always holds on every day; null: none can be computed
 */
record Estimate(String column, String value, String shown, Interval fixed, Interval always) {

  /**
   * An interval. One of a lift may have no upper end, or no end at all: then any lift fits.
   *
   * @param low empty: it has no lower end
   * @param high empty: it has no upper end
   * @param zero on which side of zero it is, or that it includes zero
   */
  record Interval(
      String lowColumn,
      String highColumn,
      String lowValue,
      String low,
      String highValue,
      String high,
      String zero) {

    boolean bounded() {
      return !high.isEmpty();
    }

    boolean boundedBelow() {
      return high.isEmpty() && !low.isEmpty();
    }

    boolean unbounded() {
      return high.isEmpty() && low.isEmpty();
    }

    String inWords() {
      return bounded() ? low + " to " + high : boundedBelow() ? low + " or more" : UNBOUNDED;
    }
  }

  private static final String UNBOUNDED = "unbounded";

  /** An effect adjusted by a covariate from before the exposure. */
  record Cuped(String value, String shown, String low, String high) {}

  /**
   * The estimate of a column.
   *
   * @param always prefix of the columns of the always-valid interval
   */
  static Estimate of(Figures.Row row, String column, String always, Unit unit) {
    int decimals =
        NumberText.decimals(
            row.number(column), row.number(column + "_low"), row.number(column + "_high"), unit);
    return new Estimate(
        column,
        row.text(column),
        NumberText.change(row.number(column), decimals, unit),
        interval(row, column, decimals, unit),
        interval(row, always, decimals, unit));
  }

  private static Interval interval(Figures.Row row, String column, int decimals, Unit unit) {
    Double low = row.number(column + "_low");
    Double high = row.number(column + "_high");
    boolean mayBeUnbounded = row.has(column + "_interval");
    if (mayBeUnbounded ? row.text(column + "_interval").isEmpty() : low == null || high == null) {
      return null;
    }
    return new Interval(
        column + "_low",
        column + "_high",
        row.text(column + "_low"),
        low == null ? "" : NumberText.change(low, decimals, unit),
        row.text(column + "_high"),
        high == null ? "" : NumberText.change(high, decimals, unit),
        low != null && low > 0 ? "above 0" : high != null && high < 0 ? "below 0" : "includes 0");
  }

  static Cuped cuped(Figures.Row row, Unit unit) {
    Double effect = row.number("cuped_effect");
    if (effect == null) {
      return null;
    }
    Double low = row.number("cuped_effect_low");
    Double high = row.number("cuped_effect_high");
    int decimals = NumberText.decimals(effect, low, high, unit);
    return new Cuped(
        row.text("cuped_effect"),
        NumberText.change(effect, decimals, unit),
        low == null ? "" : NumberText.change(low, decimals, unit),
        NumberText.change(high, decimals, unit));
  }
}
