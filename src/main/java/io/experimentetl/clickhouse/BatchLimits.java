package io.experimentetl.clickhouse;

import java.io.Serializable;
import java.time.Duration;

/**
 * When a batch is sealed, and how long the committer tries.
 *
 * @param rows a batch is sealed at so many rows; at most {@link #MAX_ROWS}, because more might be
 *     split into two blocks
 * @param bytes a batch is sealed at so many encoded bytes before compression
 * @param openPartitions so many batches are open at a time; the fullest is sealed to open another
 * @param openBytes memory that open batches may hold in one subtask; the fullest is sealed above it
 * @param inlineBytes a batch of more compressed bytes goes into a file, if a folder for them is
 *     given
 * @param insertTimeout after so long the outcome of an INSERT counts as unknown
 * @param commitDeadline the committer tries so long, then the job fails and restarts
 * @param probeAfter a batch sealed longer ago is looked for before it is sent, even for the first
 *     time
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

  /** Below the {@code max_insert_block_size} that every INSERT is sent with. */
  public static final int MAX_ROWS = 1_000_000;

  /** 100,000 rows or 128 MiB; 16 partitions; 64 MiB open; 256 KiB inline; 2 min, 5 min, 30 min. */
  public static final BatchLimits DEFAULT =
      new BatchLimits(
          100_000,
          128L << 20,
          16,
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

  /** The same limits with another number of rows. */
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

  /** The same limits with other times. */
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

  private static void require(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalArgumentException("Batch limits: " + otherwise + ".");
    }
  }
}
