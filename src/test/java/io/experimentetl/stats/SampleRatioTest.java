package io.experimentetl.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class SampleRatioTest {
  @Test
  void evenSplitOfAnEvenTestFits() {
    SampleRatio ratio = SampleRatio.of(new long[] {500, 500}, new int[] {50, 50});
    assertThat(ratio.chiSquare()).isZero();
    assertThat(ratio.p()).isEqualTo(1);
  }

  @Test
  void assignmentsOfTheUdacitySetFit() {
    // z of a binomial against 1/2 for 145,294 of 290,584: chi2 = (o1 - o2)^2 / n.
    SampleRatio ratio = SampleRatio.of(new long[] {145_294, 145_290}, new int[] {50, 50});
    assertThat(ratio.chiSquare()).isCloseTo(16.0 / 290_584, within(1e-12));
    assertThat(ratio.p()).isCloseTo(0.994, within(0.0005));
  }

  @Test
  void brokenAssignerShowsWithinAHundredUsers() {
    assertThat(SampleRatio.of(new long[] {100, 0}, new int[] {50, 50}).p()).isLessThan(1e-20);
  }

  @Test
  void threeVariantsHaveTwoDegreesOfFreedom() {
    // Two degrees of freedom have a closed form: p = exp(-chi2 / 2).
    SampleRatio ratio = SampleRatio.of(new long[] {110, 90, 100}, new int[] {33, 33, 33});
    assertThat(ratio.degreesOfFreedom()).isEqualTo(2);
    assertThat(ratio.p()).isCloseTo(Math.exp(-ratio.chiSquare() / 2), within(1e-12));
  }

  @Test
  void oneVariantIsNoTest() {
    assertThat(SampleRatio.of(new long[] {10, 3}, new int[] {100, 0}).degreesOfFreedom()).isZero();
  }
}
