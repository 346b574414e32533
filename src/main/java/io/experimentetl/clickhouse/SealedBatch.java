package io.experimentetl.clickhouse;

import java.util.List;

/**
 * A batch of encoded rows. All attempts to send it use the same bytes.
 *
 * @param table the target table
 * @param id the {@code _batch_id} of its rows and its deduplication token; never reused
 * @param partition the partition of all its rows; 0 if the table has no partitions
 * @param rows the number of its rows
 * @param rawBytes its size before compression
 * @param sealedAt milliseconds since 1970 in UTC, of the TaskManager's clock
 * @param sealedAfter the checkpoint that the writer was restored from, -1 if from none. A committer
 *     restored from the same checkpoint is the first to see the batch, because a checkpoint that
 *     contains the batch is always later.
 * @param columns in encoded order, {@code _batch_id} last
 * @param body the compressed rows; empty if they are in {@code file}
 * @param file URI of the file with the compressed rows; empty if they are in {@code body}
 */
public record SealedBatch(
    String table,
    String id,
    long partition,
    int rows,
    long rawBytes,
    long sealedAt,
    long sealedAfter,
    List<TableSchema.Column> columns,
    byte[] body,
    String file)
    implements Committable {

  /** Describes the batch in messages, with the values that find its rows. */
  String place() {
    return "batch "
        + id
        + " of table "
        + table
        + " (partition "
        + partition
        + ", "
        + rows
        + " rows)";
  }

  @Override
  public String toString() {
    return place();
  }
}
