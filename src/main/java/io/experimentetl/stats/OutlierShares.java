package io.experimentetl.stats;

import io.experimentetl.model.MetricTotals;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.Locale;

/**
 * What the user with the greatest total holds of a metric in one variant.
 *
 * @param ofSum the share of the sum; 0 if there is none
 * @param ofVariance the share of the sum of squared differences from the mean
 * @param exact whether the user is known; else {@code ofSum} is a lower bound and {@code
 *     ofVariance} is 0
 */
record OutlierShares(double ofSum, double ofVariance, boolean exact) {

  /**
   * The shares, computed in whole numbers. Where the greatest user is not known any more, Q/S² is a
   * lower bound of the share of the sum, with S the sum and Q the sum of squares of the users'
   * totals: it is the mean of the users' shares weighted by themselves (E. H. Simpson, Measurement
   * of Diversity, Nature 163, 1949).
   */
  static OutlierShares of(MetricTotals totals) {
    if (totals.sum().signum() <= 0) {
      return new OutlierShares(0, 0, true);
    }
    BigInteger greatest = totals.greatest().greatest();
    if (greatest == null) {
      return new OutlierShares(quotient(totals.sumSq(), totals.sum().pow(2)), 0, false);
    }
    BigInteger users = BigInteger.valueOf(totals.users());
    BigInteger spread = users.multiply(totals.sumSq()).subtract(totals.sum().pow(2));
    BigInteger distance = users.multiply(greatest).subtract(totals.sum());
    return new OutlierShares(
        quotient(greatest, totals.sum()),
        spread.signum() <= 0 ? 0 : quotient(distance.pow(2), users.multiply(spread)),
        true);
  }

  private static double quotient(BigInteger numerator, BigInteger denominator) {
    return new BigDecimal(numerator)
        .divide(new BigDecimal(denominator), MathContext.DECIMAL64)
        .doubleValue();
  }

  String inWords() {
    return exact
        ? String.format(
            Locale.ROOT,
            "one user holds %.1f %% of the sum and %.1f %% of the variance",
            100 * ofSum,
            100 * ofVariance)
        : String.format(Locale.ROOT, "one user holds at least %.1f %% of the sum", 100 * ofSum);
  }
}
