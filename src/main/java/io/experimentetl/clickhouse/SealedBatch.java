package io.experimentetl.clickhouse;

import java.util.List;

/**
 * A batch as it will be sent, however often that takes: nothing of it is derived again.
 *
 * @param table the table it goes to
 * @param id the {@code _batch_id} of all its rows and its deduplication token; no other batch ever
 *     has it
 * @param kind rows, or the row that says that all rows before it are there
 * @param partition the partition that all its rows are in; 0 if the table isn't partitioned
 * @param rows the number of its rows
 * @param rawBytes its size before compression
 * @param sealedAt by the TaskManager's clock, milliseconds since 1970 in UTC
 * @param sealedAfter the checkpoint that the writer was restored from, -1 if from none. A committer
 *     restored from the same one is the first to see the batch: a checkpoint that holds the batch
 *     is always a later one.
 * @param columns as encoded, {@code _batch_id} last
 * @param body the compressed rows; empty if they are in {@code file}
 * @param file URI of the file with the compressed rows; empty if they are in {@code body}
 */
public record SealedBatch(
    String table,
    String id,
    Kind kind,
    long partition,
    int rows,
    long rawBytes,
    long sealedAt,
    long sealedAfter,
    List<TableSchema.Column> columns,
    byte[] body,
    String file) {

  /** What a batch says. */
  public enum Kind {
    /** Rows of the sink's table. */
    ROWS,
    /** The row in {@code etl_sink_progress}, to be sent behind all of its subtask's rows. */
    CUT,
    /** Rows of the sink's table, sent before their checkpoint: it never holds them. */
    THROUGH
  }

  /** Its name in messages: enough to find its rows. */
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
