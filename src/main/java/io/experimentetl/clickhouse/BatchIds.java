package io.experimentetl.clickhouse;

import java.security.SecureRandom;

/**
 * The batch ids of one writer: a random epoch, the subtask and a running number, in base 36. Each
 * writer draws a new epoch. A counter in the checkpoint would give two different batches the same
 * id when an older savepoint is restored, and the server would drop the second.
 */
final class BatchIds {

  /** The end of the {@code _batch_id} of early writes. */
  static final String EARLY = "-early";

  private static final SecureRandom RANDOM = new SecureRandom();

  private final String prefix;
  private long sequence;

  BatchIds(int subtask) {
    this(RANDOM.nextLong(1L << 50), subtask);
  }

  BatchIds(long epoch, int subtask) {
    this.prefix = Long.toString(epoch, 36) + "-" + Integer.toString(subtask, 36) + "-";
  }

  String next() {
    return prefix + Long.toString(sequence++, 36);
  }

  /** The id of an early write, whose rows may be in the table twice. */
  String nextEarly() {
    return next() + EARLY;
  }
}
