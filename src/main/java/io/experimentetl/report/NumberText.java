package io.experimentetl.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/** How a number is shown: with as many digits as its interval makes sensible. */
final class NumberText {
  /** For a figure that does not exist. */
  static final String NONE = "–";

  private static final String MINUS = "−";
  private static final String NO_BREAK_SPACE = "\u00a0";
  private static final int MAX_DECIMALS = 8;

  /** The unit of a number. */
  enum Unit {
    /** The number unchanged. */
    PLAIN("", 0),
    /** A share, shown in percent. */
    PERCENT("%", 2),
    /** A difference of shares, shown in percentage points. */
    POINTS("pp", 2);

    private final String sign;
    private final int shift;

    Unit(String sign, int shift) {
      this.sign = sign;
      this.shift = shift;
    }
  }

  private NumberText() {}

  /**
   * The number of decimals that shows two digits of the uncertainty.
   *
   * @param low null: no interval, then four digits of the value
   */
  static int decimals(Double value, Double low, Double high, Unit unit) {
    double seen =
        low == null || high == null || low.equals(high)
            ? Math.abs(value == null ? 0 : value) / 100
            : (high - low) / 2;
    if (seen == 0 || !Double.isFinite(seen)) {
      return 0;
    }
    int magnitude = (int) Math.floor(Math.log10(seen)) + unit.shift;
    return Math.max(0, Math.min(MAX_DECIMALS, 1 - magnitude));
  }

  /** Without a plus sign. */
  static String level(Double value, int decimals, Unit unit) {
    return value == null ? NONE : shown(value, decimals, unit);
  }

  /** With its sign, also for a positive value. */
  static String change(Double value, int decimals, Unit unit) {
    if (value == null) {
      return NONE;
    }
    String text = shown(value, decimals, unit);
    return value > 0 && !isZero(text) ? "+" + text : text;
  }

  /** Three decimals, or that it is below. */
  static String p(Double value) {
    if (value == null) {
      return NONE;
    }
    return value < 0.001 ? "<" + NO_BREAK_SPACE + "0.001" : shown(value, 3, Unit.PLAIN);
  }

  /** For values of many magnitudes. */
  static String significant(Double value) {
    return value == null
        ? NONE
        : new BigDecimal(value, new MathContext(2))
            .stripTrailingZeros()
            .toString()
            .replace('E', 'e');
  }

  static String count(double value) {
    return String.format(Locale.ROOT, "%,.0f", value);
  }

  private static String shown(double value, int decimals, Unit unit) {
    BigDecimal rounded =
        BigDecimal.valueOf(value)
            .movePointRight(unit.shift)
            .setScale(decimals, RoundingMode.HALF_EVEN);
    String digits = String.format(Locale.ROOT, "%,." + decimals + "f", rounded.abs());
    return (rounded.signum() < 0 ? MINUS : "")
        + digits
        + (unit.sign.isEmpty() ? "" : NO_BREAK_SPACE + unit.sign);
  }

  private static boolean isZero(String text) {
    return text.chars().noneMatch(c -> c >= '1' && c <= '9');
  }
}
