package io.experimentetl.model;

import java.math.BigInteger;

/**
 * A sum of integers of any size that is added up in 64 bits. What these cannot hold goes to a
 * number of any size beside them, so that no addition loses anything: 170 users with the greatest
 * total that a metric allows have a sum of squares of more than 128 bits.
 */
final class ExactSum {
  private long low;

  /** Null: zero. */
  private BigInteger high;

  void add(BigInteger summand) {
    if (summand.bitLength() < Long.SIZE) {
      add(summand.longValue());
    } else {
      high = high == null ? summand : high.add(summand);
    }
  }

  void add(long summand) {
    long sum = low + summand;
    if (((low ^ sum) & (summand ^ sum)) < 0) {
      BigInteger full = BigInteger.valueOf(low);
      high = high == null ? full : high.add(full);
      low = summand;
    } else {
      low = sum;
    }
  }

  /** What was added up so far. */
  BigInteger total() {
    BigInteger lowTotal = low == 0 ? BigInteger.ZERO : BigInteger.valueOf(low);
    return high == null ? lowTotal : high.add(lowTotal);
  }
}
