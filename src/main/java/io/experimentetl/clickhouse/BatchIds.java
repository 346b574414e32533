package io.experimentetl.clickhouse;

import java.security.SecureRandom;

/**
 * Batch ids of one writer: its epoch, its subtask and a running number, in base 36. The epoch is
 * drawn anew whenever a writer opens. A counter kept in the checkpoint would give two different
 * batches one id when an older savepoint is restored, and the server would drop the second.
 */
final class BatchIds {

  /** The end of the {@code _batch_id} of rows that were written through. */
  static final String THROUGH = "-through";

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

  /** Of a batch that is written through: its rows may stand twice. */
  String nextThrough() {
    return next() + THROUGH;
  }
}
