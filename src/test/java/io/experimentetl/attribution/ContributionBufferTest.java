package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.MetricTotals;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ContributionBufferTest {
  private final List<HealthContribution> sent = new ArrayList<>();
  private final ContributionBuffer buffer =
      new ContributionBuffer(daily -> {}, sent::add, rows -> {});
  private MetricTotals known = MetricTotals.ZERO;

  /** A day's increment of a user whose total was {@code before} until the day. */
  private void day(String user, int day, long before, long after) {
    difference(user, day, after - before, after * after - before * before);
  }

  private void difference(String user, int day, long sum, long squares) {
    buffer.add(
        user,
        new DailyKey(1, 11, "revenue", day),
        new DailySums(
            0,
            0,
            0,
            1,
            BigInteger.ZERO,
            0,
            0,
            BigInteger.valueOf(sum),
            BigInteger.valueOf(squares)),
        0);
  }

  private BigInteger greatestAfterACheckpoint() {
    buffer.flush();
    for (HealthContribution contribution : sent) {
      known = known.plus(contribution.totals());
    }
    sent.clear();
    known = known.with(known.greatest().settled());
    return known.greatest().greatest();
  }

  @Test
  void totalOfAUserIsKnownFromTheIncrementsOfItsDays() {
    day("a", 1, 0, 40);
    day("a", 2, 40, 90);
    day("b", 1, 0, 70);
    day("a", 3, 90, 95);
    assertThat(greatestAfterACheckpoint()).isEqualTo(95);

    day("b", 2, 70, 98);
    // A late event of 5 on the first day changes the increment of each day.
    difference("a", 1, 5, 45 * 45 - 40 * 40);
    difference("a", 2, 0, 95 * 95 - 45 * 45 - (90 * 90 - 40 * 40));
    difference("a", 3, 0, 100 * 100 - 95 * 95 - (95 * 95 - 90 * 90));
    assertThat(greatestAfterACheckpoint()).isEqualTo(100);
  }

  @Test
  void totalThatIsTakenBackLeavesTheNextOne() {
    day("a", 1, 0, 40);
    day("b", 1, 0, 70);
    assertThat(greatestAfterACheckpoint()).isEqualTo(70);

    day("b", 1, 70, 0);
    assertThat(greatestAfterACheckpoint()).isEqualTo(40);
    assertThat(known.sum()).isEqualTo(40);
  }
}
