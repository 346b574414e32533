package io.experimentetl.clickhouse;

/**
 * The progress marker that a sink's subtask has reached: all its rows before the marker are in
 * batches of this checkpoint or of earlier ones.
 *
 * @param table the sink's table
 * @param subtask the index of the sink's subtask
 * @param parallelism the number of the sink's subtasks
 * @param sealedAt milliseconds since 1970 in UTC, of the TaskManager's clock
 */
public record SealedMarker(
    String table, int subtask, int parallelism, ProgressMarker marker, long sealedAt)
    implements Committable {}
