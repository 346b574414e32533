package io.experimentetl.clickhouse;

import java.security.SecureRandom;

/**
 * The batch ids of one writer: a random epoch, the subtask, the last checkpoint before the batch
 * was begun, and a running number; all but the checkpoint in base 36. Each writer draws a new
 * epoch. A counter in the checkpoint would give two different batches the same id when an older
 * savepoint is restored, and the server would drop the second.
 */
public final class BatchIds {

  /** The end of the {@code _batch_id} of early writes. */
  static final String EARLY = "-early";

  private static final SecureRandom RANDOM = new SecureRandom();

  private final String prefix;
  private long checkpoint;
  private long sequence;

  BatchIds(int subtask) {
    this(RANDOM.nextLong(1L << 50), subtask);
  }

  BatchIds(long epoch, int subtask) {
    this.prefix = Long.toString(epoch, 36) + "-" + Integer.toString(subtask, 36) + "-";
  }

  /**
   * All rows of the batches that are begun from now on are behind the checkpoint's barrier. A
   * savepoint is a checkpoint too.
   */
  void passed(long newCheckpoint) {
    checkpoint = newCheckpoint;
  }

  String next() {
    return prefix + checkpoint + "-" + Long.toString(sequence++, 36);
  }

  /** The id of an early write, whose rows may be in the table twice. */
  String nextEarly() {
    return next() + EARLY;
  }

  /**
   * The last checkpoint before the row's batch was begun, as an expression of ClickHouse: of a
   * batch that no sink has written, 0.
   */
  public static String checkpointOf(String batchId) {
    return "toUInt64OrZero(splitByChar('-', toString(" + batchId + "))[3])";
  }
}
