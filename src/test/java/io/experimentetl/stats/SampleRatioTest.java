package io.experimentetl.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.apache.commons.math3.stat.inference.ChiSquareTest;
import org.junit.jupiter.api.Test;

class SampleRatioTest {
  private static SampleRatio.Phase phase(long[] users, double... weights) {
    return new SampleRatio.Phase(users, weights);
  }

  private static long[] users(long... users) {
    return users;
  }

  private static SampleRatio of(SampleRatio.Phase... phases) {
    return SampleRatio.of(List.of(phases), phases[0].users().length);
  }

  @Test
  void evenSplitOfAnEvenTestFits() {
    SampleRatio ratio = of(phase(users(500, 500), 50, 50));
    assertThat(ratio.chiSquare()).isZero();
    assertThat(ratio.p()).isEqualTo(1);
    assertThat(ratio.expected()).containsExactly(500, 500);
  }

  @Test
  void assignmentsOfTheUdacitySetFit() {
    // z of a binomial against 1/2 for 145,294 of 290,584: chi2 = (o1 - o2)^2 / n.
    SampleRatio ratio = of(phase(users(145_294, 145_290), 50, 50));
    assertThat(ratio.chiSquare()).isCloseTo(16.0 / 290_584, within(1e-12));
    assertThat(ratio.p()).isCloseTo(0.994, within(0.0005));
  }

  @Test
  void rampThatFollowsItsWeightsFits() {
    SampleRatio ratio = of(phase(users(900, 100), 90, 10), phase(users(500, 500), 50, 50));
    assertThat(ratio.chiSquare()).isZero();
    assertThat(ratio.degreesOfFreedom()).isEqualTo(2);
    assertThat(of(phase(users(1_400, 600), 50, 50)).chiSquare()).isEqualTo(320);
  }

  @Test
  void skewInOnePhaseShows() {
    SampleRatio ratio = of(phase(users(900, 100), 90, 10), phase(users(600, 400), 50, 50));
    assertThat(ratio.chiSquare()).isEqualTo(40);
    assertThat(ratio.p()).isCloseTo(Math.exp(-20), within(1e-20));
  }

  @Test
  void tinyProbabilityKeepsItsDigits() {
    // 5.8e-32 by R: pchisq(138.3, 1, lower.tail = FALSE). 1 - pchisq(138.3, 1) is 0.
    SampleRatio ratio = of(phase(users(11_383, 8_617), 50, 50));
    double exact = ratio.chiSquare();
    assertThat(ratio.p()).isCloseTo(erfcByContinuedFraction(Math.sqrt(exact / 2)), within(1e-90));
    assertThat(ratio.p()).isBetween(1e-90, 1e-80);
    assertThat(
            1
                - new org.apache.commons.math3.distribution.ChiSquaredDistribution(null, 1)
                    .cumulativeProbability(exact))
        .isZero();
  }

  /** Independent of commons-math: erfc(x) = exp(-x^2)/(x sqrt(pi)) / (1 + (1/2x^2)/(1 + ...)). */
  private static double erfcByContinuedFraction(double x) {
    double fraction = 1;
    for (int k = 200; k > 0; k--) {
      fraction = 1 + k / (2 * x * x) / fraction;
    }
    return Math.exp(-x * x) / (x * Math.sqrt(Math.PI)) / fraction;
  }

  @Test
  void onlyTheRatioOfWeightsCounts() {
    long[] users = users(110, 90, 100);
    SampleRatio thirds = of(phase(users, 33, 33, 33));
    // Two degrees of freedom have a closed form: p = exp(-chi2 / 2).
    assertThat(thirds.degreesOfFreedom()).isEqualTo(2);
    assertThat(thirds.p()).isCloseTo(Math.exp(-thirds.chiSquare() / 2), within(1e-12));
    assertThat(thirds.chiSquare()).isCloseTo(2, within(1e-12));
    assertThat(of(phase(users, 1, 1, 1)).chiSquare()).isCloseTo(2, within(1e-12));
    assertThat(of(phase(users, 0.2, 0.2, 0.2)).chiSquare()).isCloseTo(2, within(1e-12));
    SampleRatio fractions = of(phase(users(125, 875), 12.5, 87.5));
    assertThat(fractions.chiSquare()).isZero();
  }

  @Test
  void smallCellsArePooled() {
    // 2, 3 and 4 expected users make one cell of 9.
    SampleRatio ratio = of(phase(users(91, 0, 5, 4), 91, 2, 3, 4));
    assertThat(ratio.degreesOfFreedom()).isEqualTo(1);
    assertThat(ratio.chiSquare()).isZero();
    // A pool of 3 joins the smallest other cell, of 17.
    SampleRatio joined = of(phase(users(80, 20, 0), 80, 17, 3));
    assertThat(joined.degreesOfFreedom()).isEqualTo(1);
    assertThat(joined.chiSquare()).isZero();
    assertThat(joined.expected()).containsExactly(80, 17, 3);
    assertThat(of(phase(users(4, 4), 50, 50)).degreesOfFreedom()).isZero();
  }

  @Test
  void unknownWeightsTakeNoPart() {
    SampleRatio ratio = of(phase(users(1_000, 0), 0, 0), phase(users(50, 50), 1, 1));
    assertThat(ratio.chiSquare()).isZero();
    assertThat(ratio.degreesOfFreedom()).isEqualTo(1);
    assertThat(ratio.expected()).containsExactly(50, 50);
  }

  @Test
  void oneVariantIsNoTest() {
    SampleRatio ratio = of(phase(users(10, 3), 100, 0));
    assertThat(ratio.degreesOfFreedom()).isZero();
    assertThat(ratio.p()).isEqualTo(1);
  }

  @Property
  void phasesAddUpToTheirSingleTests(
      @ForAll @Size(3) List<@IntRange(min = 20, max = 10_000) Integer> first,
      @ForAll @Size(3) List<@IntRange(min = 20, max = 10_000) Integer> second,
      @ForAll @Size(3) List<@IntRange(min = 1, max = 9) Integer> weights) {
    double[] w = weights.stream().mapToDouble(Integer::doubleValue).toArray();
    long[] a = first.stream().mapToLong(Integer::longValue).toArray();
    long[] b = second.stream().mapToLong(Integer::longValue).toArray();
    boolean isPooled = smallest(a, w) < 5 || smallest(b, new double[] {1, 1, 1}) < 5;
    if (isPooled) {
      return;
    }
    SampleRatio ratio = of(phase(a, w), phase(b, 1, 1, 1));
    ChiSquareTest independent = new ChiSquareTest();
    double chiSquare =
        independent.chiSquare(w, a) + independent.chiSquare(new double[] {1, 1, 1}, b);
    assertThat(ratio.chiSquare()).isCloseTo(chiSquare, within(1e-9 * Math.max(1, chiSquare)));
    assertThat(ratio.degreesOfFreedom()).isEqualTo(4);
    // Four degrees of freedom have a closed form: (1 + chi2/2) exp(-chi2/2).
    double p = (1 + chiSquare / 2) * Math.exp(-chiSquare / 2);
    assertThat(ratio.p()).isCloseTo(p, within(1e-9 * p + Double.MIN_NORMAL));
    double total = LongStream.of(a).sum() + (double) LongStream.of(b).sum();
    assertThat(DoubleStream.of(ratio.expected()).sum()).isCloseTo(total, within(1e-6));
  }

  private static double smallest(long[] users, double[] weights) {
    double share = Arrays.stream(weights).min().orElseThrow() / Arrays.stream(weights).sum();
    return new BigDecimal(share * LongStream.of(users).sum(), MathContext.DECIMAL64).doubleValue();
  }
}
