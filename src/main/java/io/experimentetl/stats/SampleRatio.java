package io.experimentetl.stats;

import org.apache.commons.math3.distribution.ChiSquaredDistribution;

/**
 * Pearson's chi-square test of the users per variant against the allocation: chi2 = sum (o - e)^2 /
 * e with e = w / sum w * N, k - 1 degrees of freedom (Fabijan et al., "Diagnosing Sample Ratio
 * Mismatch in Online Controlled Experiments", KDD 2019).
 *
 * @param degreesOfFreedom 0: not computable
 * @param p 1 where not computable
 * @param smallestExpected the smallest number of users that a variant expects
 */
public record SampleRatio(
    double chiSquare, int degreesOfFreedom, double p, double smallestExpected) {

  private static final SampleRatio NOT_COMPUTABLE = new SampleRatio(0, 0, 1, 0);

  /** Variants of weight 0 take no part. */
  public static SampleRatio of(long[] users, int[] weights) {
    long totalUsers = 0;
    long totalWeight = 0;
    int variants = 0;
    for (int i = 0; i < users.length; i++) {
      if (weights[i] > 0) {
        totalUsers += users[i];
        totalWeight += weights[i];
        variants++;
      }
    }
    if (variants < 2 || totalUsers <= 0) {
      return NOT_COMPUTABLE;
    }
    double chiSquare = 0;
    double smallest = Double.MAX_VALUE;
    for (int i = 0; i < users.length; i++) {
      if (weights[i] > 0) {
        double expected = (double) weights[i] / totalWeight * totalUsers;
        double difference = users[i] - expected;
        chiSquare += difference * difference / expected;
        smallest = Math.min(smallest, expected);
      }
    }
    double p = 1 - new ChiSquaredDistribution(null, variants - 1).cumulativeProbability(chiSquare);
    return new SampleRatio(chiSquare, variants - 1, p, smallest);
  }
}
