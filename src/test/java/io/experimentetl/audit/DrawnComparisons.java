package io.experimentetl.audit;

import io.experimentetl.audit.WelchFieller.Sample;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Comparisons of two variants, chosen or drawn, and their rows of experiment_daily_stats. */
final class DrawnComparisons {
  /** Two variants of one experiment. */
  record Comparison(long experiment, String kind, Sample control, Sample treatment) {
    boolean isProportion() {
      return kind.equals("proportion");
    }
  }

  private final Map<Long, Comparison> comparisons = new TreeMap<>();
  private final StringJoiner rows = new StringJoiner(", ");

  Map<Long, Comparison> comparisons() {
    return comparisons;
  }

  String rows() {
    return rows.toString();
  }

  void random(int number) {
    Random random = new Random(12);
    for (int i = 0; i < number; i++) {
      switch (i % 3) {
        case 0 -> randomProportion(random);
        case 1 -> randomMean(random);
        default -> randomRatio(random);
      }
    }
  }

  /** Denominators near 0, no variance, no events, one user, and values that are large. */
  void edges() {
    proportion(1_000, 10, 1_000, 22);
    proportion(1_000, 22, 1_000, 10);
    for (int control : new int[] {0, 1, 2, 3, 4, 5, 6, 40, 1_000}) {
      for (int treatment : new int[] {0, 1, 3, 5, 22, 999, 1_000}) {
        proportion(1_000, control, 1_000, treatment);
      }
    }
    proportion(1, 1, 1_000, 40);
    proportion(1_000, 40, 1, 0);
    proportion(1, 0, 1, 1);
    mean(List.of(5_000_000L), List.of(3_000_000L, 4_000_000L));
    mean(List.of(3_000_000L, 4_000_000L), List.of(5_000_000L));
    mean(List.of(7L, 7L), List.of(9L, 9L));
    mean(List.of(1L, 2L), List.of(1_000_000L, 1_000_001L));
    mean(List.of(0L, 0L, 0L), List.of(4_000_000L, 5_000_000L, 9_000_000L));
    mean(List.of(0L, 0L, 9_000_000L), List.of(0L, 0L, 0L));
    for (int users : new int[] {3, 100, 2_001}) {
      for (long spread : new long[] {1, 1_000, 1_000_000}) {
        mean(large(users, spread, 0), large(users, spread, 1));
        ratio(large(users, spread, 0), ones(users), large(users, spread, 1), ones(users));
        ratio(products(users, spread, 0), counts(users), products(users, spread, 1), counts(users));
      }
    }
  }

  /** 900 billion and a little, in millionths. */
  private static List<Long> large(int users, long spread, int first) {
    return IntStream.range(0, users)
        .mapToObj(i -> 900_000_000_000_000_000L + spread * ((2 * i + first) % 3))
        .toList();
  }

  private static List<Long> ones(int users) {
    return IntStream.range(0, users).mapToObj(i -> 1_000_000L).toList();
  }

  private static List<Long> counts(int users) {
    return IntStream.range(0, users).mapToObj(i -> 1_000_000L * (1 + i % 4)).toList();
  }

  /** A ratio that hardly differs between users, although its numerator and denominator do. */
  private static List<Long> products(int users, long spread, int first) {
    return IntStream.range(0, users)
        .mapToObj(i -> 90_000_000_000_000_000L * (1 + i % 4) + spread * ((2 * i + first) % 3))
        .toList();
  }

  private void randomProportion(Random random) {
    int controls = 1 + random.nextInt(random.nextBoolean() ? 20 : 5_000);
    int treated = 1 + random.nextInt(random.nextBoolean() ? 20 : 5_000);
    double share = Math.pow(random.nextDouble(), 3);
    proportion(
        controls,
        converters(random, controls, share),
        treated,
        converters(random, treated, Math.min(1, share * (0.4 + 1.5 * random.nextDouble()))));
  }

  private static int converters(Random random, int users, double share) {
    return (int) IntStream.range(0, users).filter(i -> random.nextDouble() < share).count();
  }

  private void randomMean(Random random) {
    double scale = Math.pow(10, random.nextInt(-3, 9));
    double zeros = random.nextDouble();
    mean(totals(random, scale, zeros), totals(random, scale * (1 + random.nextDouble()), zeros));
  }

  private static List<Long> totals(Random random, double scale, double zeros) {
    int users = 1 + random.nextInt(random.nextBoolean() ? 6 : 60);
    return IntStream.range(0, users)
        .mapToObj(
            i ->
                random.nextDouble() < zeros
                    ? 0L
                    : Math.round(1e3 * scale * Math.abs(random.nextGaussian())))
        .toList();
  }

  private void randomRatio(Random random) {
    List<List<Long>> sums = new ArrayList<>();
    double slope = Math.pow(10, random.nextInt(0, 5)) * (1 + random.nextDouble());
    for (int variant = 0; variant < 2; variant++) {
      int users = 2 + random.nextInt(50);
      List<Long> denominators = random.ints(users, 0, 9).mapToObj(i -> 1_000_000L * i).toList();
      double noise = random.nextDouble();
      sums.add(
          denominators.stream()
              .map(z -> Math.max(0, Math.round(z * slope * (1 + noise * random.nextGaussian()))))
              .toList());
      sums.add(denominators);
    }
    ratio(sums.get(0), sums.get(1), sums.get(2), sums.get(3));
  }

  private void proportion(int controls, int converted, int treated, int alsoConverted) {
    long id = comparisons.size() + 1L;
    row(id, 1, "proportion", controls, converted, converted, converted, 0, 0, 0);
    row(id, 2, "proportion", treated, alsoConverted, alsoConverted, alsoConverted, 0, 0, 0);
    comparisons.put(
        id,
        new Comparison(
            id,
            "proportion",
            WelchFieller.proportion(controls, converted),
            WelchFieller.proportion(treated, alsoConverted)));
  }

  private void mean(List<Long> control, List<Long> treatment) {
    long id = comparisons.size() + 1L;
    row(id, 1, "mean", control, List.of());
    row(id, 2, "mean", treatment, List.of());
    comparisons.put(
        id,
        new Comparison(
            id, "mean", WelchFieller.mean(big(control)), WelchFieller.mean(big(treatment))));
  }

  private void ratio(
      List<Long> control, List<Long> below, List<Long> treatment, List<Long> belowToo) {
    if (below.stream().allMatch(z -> z == 0) || belowToo.stream().allMatch(z -> z == 0)) {
      return;
    }
    long id = comparisons.size() + 1L;
    row(id, 1, "ratio", control, below);
    row(id, 2, "ratio", treatment, belowToo);
    comparisons.put(
        id,
        new Comparison(
            id,
            "ratio",
            WelchFieller.ratio(big(control), big(below)),
            WelchFieller.ratio(big(treatment), big(belowToo))));
  }

  private static List<BigInteger> big(List<Long> values) {
    return values.stream().map(BigInteger::valueOf).toList();
  }

  private static BigInteger products(List<BigInteger> a, List<BigInteger> b) {
    BigInteger sum = BigInteger.ZERO;
    for (int i = 0; i < b.size(); i++) {
      sum = sum.add(a.get(i).multiply(b.get(i)));
    }
    return sum;
  }

  private void row(long id, int variant, String kind, List<Long> y, List<Long> z) {
    List<BigInteger> above = big(y);
    List<BigInteger> below = big(z);
    List<BigInteger> one = big(y.stream().map(any -> 1L).toList());
    row(
        id,
        variant,
        kind,
        y.size(),
        (int) y.stream().filter(total -> total > 0).count(),
        new BigDecimal(products(above, one), 6),
        new BigDecimal(products(above, above), 12),
        new BigDecimal(products(one, below), 6),
        new BigDecimal(products(below, below), 12),
        new BigDecimal(products(above, below), 12));
  }

  private void row(long id, int variant, String kind, int users, int converters, Object... sums) {
    rows.add(
        "(%d, %d, '%s', '%s', '2026-03-01', %d, %d, %d, '%s', '%s', '%s', '%s', '%s', 0, 0, 0)"
            .formatted(
                id,
                id * 10 + variant,
                kind,
                kind,
                users,
                converters,
                converters,
                sums[0],
                sums[1],
                sums[2],
                sums[3],
                sums[4]));
  }
}
