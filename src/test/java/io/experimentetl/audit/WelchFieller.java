package io.experimentetl.audit;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.List;
import java.util.function.DoublePredicate;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.special.Erf;

/**
 * The comparison of two variants, computed from their users' totals in another way than the views:
 * exact rational sums, a statistics library for t, and the lift's interval by inverting the test
 * numerically instead of by Fieller's formula.
 */
final class WelchFieller {
  static final double NORMAL_QUANTILE = 1.959963984540054;

  /**
   * A lift's interval.
   *
   * @param shape null: there is none
   * @param low NaN: it has no lower end
   * @param high NaN: it has no upper end
   */
  record Lift(String shape, double low, double high) {
    static final Lift NONE = new Lift(null, Double.NaN, Double.NaN);

    boolean excludesZero() {
      return low > 0 || high < 0;
    }
  }

  /**
   * Mean and variance of a variant.
   *
   * @param variance of a unit; NaN with fewer than two users
   */
  record Sample(int n, BigDecimal mean, double variance) {
    double squaredError() {
      return variance / n;
    }
  }

  private static final MathContext DIGITS = new MathContext(60);

  private WelchFieller() {}

  /** Of the users' totals in millionths. */
  static Sample mean(List<BigInteger> totals) {
    BigInteger n = BigInteger.valueOf(totals.size());
    BigInteger sum = sum(totals);
    BigInteger squares = sum(totals.stream().map(y -> y.pow(2)).toList());
    BigDecimal variance =
        totals.size() < 2
            ? null
            : new BigDecimal(n.multiply(squares).subtract(sum.pow(2)))
                .divide(new BigDecimal(n.multiply(n.subtract(BigInteger.ONE))), DIGITS)
                .movePointLeft(12);
    return new Sample(
        totals.size(),
        new BigDecimal(sum).divide(new BigDecimal(n), DIGITS).movePointLeft(6),
        variance == null ? Double.NaN : variance.doubleValue());
  }

  /** Of users with the event among all. */
  static Sample proportion(int n, int converters) {
    BigDecimal share = new BigDecimal(converters).divide(new BigDecimal(n), DIGITS);
    return new Sample(
        n,
        share,
        n < 2 ? Double.NaN : share.multiply(BigDecimal.ONE.subtract(share)).doubleValue());
  }

  /** Of the users' numerators and denominators in millionths: by the linear form of the ratio. */
  static Sample ratio(List<BigInteger> numerators, List<BigInteger> denominators) {
    int n = numerators.size();
    BigDecimal total = new BigDecimal(sum(denominators));
    BigDecimal ratio = new BigDecimal(sum(numerators)).divide(total, DIGITS);
    BigDecimal squares = BigDecimal.ZERO;
    for (int i = 0; i < n; i++) {
      BigDecimal residual =
          new BigDecimal(numerators.get(i))
              .subtract(ratio.multiply(new BigDecimal(denominators.get(i))));
      squares = squares.add(residual.pow(2));
    }
    BigDecimal meanDenominator = total.divide(BigDecimal.valueOf(n), DIGITS);
    double variance =
        n < 2
            ? Double.NaN
            : squares
                .divide(BigDecimal.valueOf(n - 1), DIGITS)
                .divide(meanDenominator.pow(2), DIGITS)
                .doubleValue();
    return new Sample(n, ratio, variance);
  }

  private static BigInteger sum(List<BigInteger> values) {
    return values.stream().reduce(BigInteger.ZERO, BigInteger::add);
  }

  static double effect(Sample treatment, Sample control) {
    return treatment.mean().subtract(control.mean()).doubleValue();
  }

  /** NaN where the test is not computable. */
  static double standardError(Sample treatment, Sample control) {
    double se = Math.sqrt(treatment.squaredError() + control.squaredError());
    return se == 0 ? Double.NaN : se;
  }

  static double degreesOfFreedom(Sample treatment, Sample control) {
    double t = treatment.squaredError();
    double c = control.squaredError();
    return Math.pow(t + c, 2)
        / (Math.pow(t, 2) / (treatment.n() - 1) + Math.pow(c, 2) / (control.n() - 1));
  }

  /** The critical value of the test for one look. */
  static double critical(boolean proportion, Sample treatment, Sample control) {
    return proportion
        ? NORMAL_QUANTILE
        : new TDistribution(null, degreesOfFreedom(treatment, control))
            .inverseCumulativeProbability(0.975);
  }

  static double p(boolean proportion, double t, Sample treatment, Sample control) {
    return proportion
        ? Erf.erfc(Math.abs(t) / Math.sqrt(2))
        : 2
            * new TDistribution(null, degreesOfFreedom(treatment, control))
                .cumulativeProbability(-Math.abs(t));
  }

  /** arXiv 2103.06476, eq. 9, tightest at 5,000 users, in units of the standard error. */
  static double alwaysValidCritical(int n) {
    double r2 = (-2 * Math.log(0.05) + Math.log(-2 * Math.log(0.05) + 1)) / 5_000;
    return Math.sqrt(2 * (n * r2 + 1) / (n * r2) * Math.log(Math.sqrt(n * r2 + 1) / 0.05));
  }

  /** All lifts from -100 % on that the test does not reject. Means are not negative. */
  static Lift lift(double critical, Sample treatment, Sample control) {
    double m = control.mean().doubleValue();
    if (!(m > 0) || Double.isNaN(standardError(treatment, control))) {
      return Lift.NONE;
    }
    double d = effect(treatment, control);
    double t = treatment.squaredError();
    double c = control.squaredError();
    DoublePredicate rejected =
        lift ->
            Math.abs(d - lift * m)
                > critical * Math.sqrt(t + (1 + lift) * (1 + lift) * c) * (1 + 1e-15);
    double estimate = d / m;
    if (m > critical * Math.sqrt(c)) {
      return new Lift(
          "bounded",
          border(rejected, estimate, outside(rejected, estimate, -1)),
          border(rejected, estimate, outside(rejected, estimate, 1)));
    }
    return rejected.test(-1)
        ? new Lift("bounded below", border(rejected, estimate, -1), Double.NaN)
        : new Lift("unbounded", Double.NaN, Double.NaN);
  }

  private static double outside(DoublePredicate rejected, double estimate, int direction) {
    double step = 1e-18;
    while (!rejected.test(estimate + direction * step)) {
      step *= 2;
      if (step > 1e30) {
        return estimate;
      }
    }
    return estimate + direction * step;
  }

  private static double border(DoublePredicate rejected, double inside, double outside) {
    double in = inside;
    double out = outside;
    for (int i = 0; i < 200; i++) {
      double middle = (in + out) / 2;
      if (rejected.test(middle)) {
        out = middle;
      } else {
        in = middle;
      }
    }
    return (in + out) / 2;
  }
}
