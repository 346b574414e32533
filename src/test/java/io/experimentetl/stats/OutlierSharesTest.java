package io.experimentetl.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.model.GreatestTotals;
import io.experimentetl.model.MetricTotals;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class OutlierSharesTest {
  private final Map<String, Long> truth = new HashMap<>();
  private MetricTotals kept = MetricTotals.ZERO;

  /** A user's total becomes this; 0: the user is gone. */
  private static MetricTotals change(Map<String, Long> truth, String user, long total) {
    BigInteger before = BigInteger.valueOf(truth.getOrDefault(user, 0L));
    BigInteger after = BigInteger.valueOf(total);
    int users = (total > 0 ? 1 : 0) - (before.signum() > 0 ? 1 : 0);
    if (total == 0) {
      truth.remove(user);
    } else {
      truth.put(user, total);
    }
    return new MetricTotals(
        users,
        users,
        users,
        after.subtract(before),
        after.pow(2).subtract(before.pow(2)),
        GreatestTotals.of(user, before, after));
  }

  private void set(String user, long total) {
    MetricTotals sum = kept.plus(change(truth, user, total));
    kept = sum.with(sum.greatest().settled());
  }

  private double greatestShare() {
    return (double) Collections.max(truth.values())
        / truth.values().stream().mapToLong(Long::longValue).sum();
  }

  @Test
  void oneOrderWithAQuarterOfTheRevenueIsStatedExactly() {
    for (int i = 0; i < 1_000; i++) {
      set("u" + i, 3_000_000 + i % 7);
    }
    set("whale", 1_000_000_999L);

    OutlierShares shares = OutlierShares.of(kept);

    assertThat(shares.exact()).isTrue();
    assertThat(shares.ofSum())
        .isCloseTo(greatestShare(), within(1e-15))
        .isCloseTo(0.25, within(1e-3));
    double mean = kept.sum().doubleValue() / 1_001;
    double all = truth.values().stream().mapToDouble(y -> Math.pow(y - mean, 2)).sum();
    assertThat(shares.ofVariance())
        .isCloseTo(Math.pow(1_000_000_999L - mean, 2) / all, within(1e-9));
    assertThat(shares.inWords())
        .isEqualTo("one user holds 25.0 % of the sum and 99.9 % of the variance");

    set("whale", 0);
    assertThat(OutlierShares.of(kept).ofSum()).isCloseTo(greatestShare(), within(1e-15));
  }

  @Test
  void greatestIsExactWhileUsersComeChangeAndGo() {
    Random random = new Random(5);
    for (int checkpoint = 0; checkpoint < 300; checkpoint++) {
      MetricTotals changes = MetricTotals.ZERO;
      for (int i = 0; i < 50; i++) {
        String user = "u" + random.nextInt(2_000);
        long old = truth.getOrDefault(user, 0L);
        long total =
            random.nextInt(20) == 0
                ? 0
                : old + 1 + Math.round(1e6 * Math.exp(3 * random.nextGaussian()));
        changes = changes.plus(change(truth, user, total));
      }
      MetricTotals sum = kept.plus(changes);
      kept = sum.with(sum.greatest().settled());
      BigInteger greatest = kept.greatest().greatest();
      assertThat(greatest).isEqualTo(BigInteger.valueOf(Collections.max(truth.values())));
    }
  }

  @Test
  void greatestIsUnknownAndNeverWrongOnceAllKeptUsersAreGone() {
    for (int i = 1; i <= 100; i++) {
      set("u" + i, i);
    }
    List<String> descending = new ArrayList<>(truth.keySet());
    descending.sort((a, b) -> Long.compare(truth.get(b), truth.get(a)));
    int exact = 0;
    for (String user : descending.subList(0, 99)) {
      set(user, 0);
      OutlierShares shares = OutlierShares.of(kept);
      if (shares.exact()) {
        exact++;
        assertThat(shares.ofSum()).isCloseTo(greatestShare(), within(1e-15));
      } else {
        assertThat(shares.ofSum()).isLessThanOrEqualTo(greatestShare() + 1e-15);
        assertThat(shares.inWords()).startsWith("one user holds at least ");
      }
    }
    assertThat(exact).isGreaterThanOrEqualTo(31);
    set(descending.get(99), 0);
    assertThat(kept.isZero()).isTrue();
  }

  @Test
  void changesThatAddUpToNothingAreStillSent() {
    MetricTotals first = change(truth, "a", 5).plus(change(truth, "b", 9));
    MetricTotals swapped = change(truth, "a", 9).plus(change(truth, "b", 5));

    assertThat(swapped.sum()).isZero();
    assertThat(swapped.isZero()).isFalse();
    assertThat(first.plus(swapped).greatest().settled().greatest()).isEqualTo(9);
  }
}
