package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The sum that is added up in place equals the one of {@link DailySums#plus}, at any size. */
class DailyTotalTest {
  /** The greatest total of a user whose property is at its limit: 10^12 in millionths. */
  private static final BigInteger LIMIT = BigInteger.TEN.pow(18).subtract(BigInteger.ONE);

  private static DailySums sums(BigInteger... amounts) {
    return new DailySums(
        1,
        1,
        1,
        2,
        amounts[0],
        1,
        1,
        amounts[1],
        amounts[2],
        amounts[3],
        amounts[4],
        amounts[5],
        amounts[6],
        amounts[7],
        amounts[8]);
  }

  private static DailySums total(List<DailySums> differences) {
    DailyTotal total = new DailyTotal();
    differences.forEach(difference -> total.add(difference, 7));
    assertThat(total.dayEndsAt()).isEqualTo(7);
    return total.sums();
  }

  private static DailySums sum(List<DailySums> differences) {
    return differences.stream().reduce(DailySums.ZERO, DailySums::plus);
  }

  @Test
  void squaresOfUsersAtThePropertysLimitNeedMoreThan128Bits() {
    List<DailySums> differences = new ArrayList<>();
    for (int user = 0; user < 1_000; user++) {
      BigInteger square = LIMIT.multiply(LIMIT);
      differences.add(
          sums(LIMIT, LIMIT, square, LIMIT, square, square, LIMIT, square, square.negate()));
    }

    DailySums total = total(differences);

    assertThat(total).isEqualTo(sum(differences));
    assertThat(total.dSumSq().bitLength()).isGreaterThan(128);
    assertThat(total.dSum()).isEqualTo(LIMIT.multiply(BigInteger.valueOf(1_000)));
  }

  @Test
  void everythingThatDecimal76HoldsIsExact() {
    BigInteger most = BigInteger.TEN.pow(76).subtract(BigInteger.ONE);
    BigInteger[] all = new BigInteger[9];
    java.util.Arrays.fill(all, most);
    List<DailySums> differences = List.of(sums(all), sums(all).negate(), sums(all));

    assertThat(total(differences)).isEqualTo(sums(all));
  }

  @Test
  void retractionsLeaveNoTraceAtTheEndsOf64Bits() {
    Random random = new Random(14);
    List<DailySums> differences = new ArrayList<>();
    for (int i = 0; i < 2_000; i++) {
      BigInteger[] amounts = new BigInteger[9];
      for (int j = 0; j < amounts.length; j++) {
        long near = random.nextInt(5) - 2L;
        amounts[j] =
            switch (random.nextInt(4)) {
              case 0 -> BigInteger.valueOf(Long.MAX_VALUE + near);
              case 1 -> BigInteger.valueOf(Long.MIN_VALUE).add(BigInteger.valueOf(near));
              case 2 -> new BigInteger(140, random).negate();
              default -> BigInteger.valueOf(near);
            };
      }
      differences.add(sums(amounts));
    }
    assertThat(total(differences)).isEqualTo(sum(differences));

    List<DailySums> withRetractions = new ArrayList<>(differences);
    differences.forEach(difference -> withRetractions.add(difference.negate()));
    assertThat(total(withRetractions).isZero()).isTrue();
  }
}
