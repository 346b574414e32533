package io.experimentetl.clickhouse;

import java.io.Serializable;
import java.time.Duration;

/**
 * Sizes and times of a sink.
 *
 * @param rows a batch is sealed at this number of rows; at most {@link #MAX_ROWS}, because the
 *     server might split a larger one into two blocks
 * @param bytes a batch is sealed at this number of encoded bytes before compression
 * @param openPartitions maximum number of open batches; the fullest is sealed to open another
 * @param openBytes maximum memory of a subtask's open batches; above it, the fullest is sealed
 * @param inlineBytes a batch with more compressed bytes is written to a file, if the sink has a
 *     folder; a smaller one is stored in the checkpoint
 * @param insertTimeout after this time the outcome of an INSERT is unknown
 * @param commitDeadline how long the committer retries a batch before the job fails and restarts
 * @param probeAfter the committer probes for a batch that was sealed earlier than this, even in its
 *     first attempt
 */
public record BatchLimits(
    int rows,
    long bytes,
    int openPartitions,
    long openBytes,
    int inlineBytes,
    Duration insertTimeout,
    Duration commitDeadline,
    Duration probeAfter)
    implements Serializable {

  /** Below the {@code min_insert_block_size_rows} of every INSERT. */
  public static final int MAX_ROWS = 1_000_000;

  /** 100,000 rows or 128 MiB; 512 partitions; 64 MiB open; 256 KiB inline; 2 min, 5 min, 30 min. */
  public static final BatchLimits DEFAULT =
      new BatchLimits(
          100_000,
          128L << 20,
          512,
          64L << 20,
          256 << 10,
          Duration.ofMinutes(2),
          Duration.ofMinutes(5),
          Duration.ofMinutes(30));

  /**
   * Checks the ranges.
   *
   * @throws IllegalArgumentException naming the limit that is out of its range
   */
  public BatchLimits {
    require(rows > 0 && rows <= MAX_ROWS, "rows must be 1 to " + MAX_ROWS);
    require(bytes > 0 && bytes <= 1L << 30, "bytes must be 1 to " + (1L << 30));
    require(openPartitions > 0, "openPartitions must be at least 1");
    require(openBytes > 0, "openBytes must be at least 1");
    require(inlineBytes >= 0, "inlineBytes must be at least 0");
    require(insertTimeout.toMillis() > 0, "insertTimeout must be at least 1 ms");
    require(commitDeadline.toMillis() > 0, "commitDeadline must be at least 1 ms");
    require(!probeAfter.isNegative(), "probeAfter must be at least 0");
  }

  /** Returns a copy with another number of rows. */
  public BatchLimits withRows(int newRows) {
    return new BatchLimits(
        newRows,
        bytes,
        openPartitions,
        openBytes,
        inlineBytes,
        insertTimeout,
        commitDeadline,
        probeAfter);
  }

  /** Returns a copy with other times. */
  public BatchLimits withTimes(Duration newInsertTimeout, Duration newCommitDeadline) {
    return new BatchLimits(
        rows,
        bytes,
        openPartitions,
        openBytes,
        inlineBytes,
        newInsertTimeout,
        newCommitDeadline,
        probeAfter);
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException("Batch limits: " + message + ".");
    }
  }
}
