package io.experimentetl.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.bench.Freshness.Step;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FreshnessTest {
  private static Step step(double seconds, long rows) {
    return new Step((long) (seconds * 1e9), rows);
  }

  @Test
  void eachRowWaitsFromItsCommitToTheFirstLookThatCountsIt() {
    List<Step> committed = List.of(step(0, 1), step(1, 3), step(2, 4));
    List<Step> visible = List.of(step(0.5, 0), step(3, 2), step(5, 4));
    // The rows waited 3, 2, 4 and 3 s.
    assertThat(Freshness.of(committed, visible, 0, 4)).isEqualTo(new Freshness(3, 4, 4));
    assertThat(Freshness.of(committed, visible, 0, 2)).isEqualTo(new Freshness(2, 3, 3));
    assertThat(Freshness.of(committed, visible, 3, 4)).isEqualTo(new Freshness(3, 3, 3));
  }

  @Test
  void oneRowOfAHundredMayWaitLongerThanTheNinetyNinthPart() {
    List<Step> committed = List.of(step(0, 200));
    List<Step> visible = new ArrayList<>(List.of(step(1, 198), step(9, 200)));
    assertThat(Freshness.of(committed, visible, 0, 200)).isEqualTo(new Freshness(1, 1, 9));
  }

  @Test
  void rowThatIsSeenBeforeItsCommitIsAnsweredHasNotWaited() {
    assertThat(Freshness.of(List.of(step(2, 1)), List.of(step(1, 1)), 0, 1).max()).isZero();
  }
}
