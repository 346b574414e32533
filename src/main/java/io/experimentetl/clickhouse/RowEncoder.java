package io.experimentetl.clickhouse;

import java.io.Serializable;

/**
 * Encodes rows of type {@code T} as rows of one ClickHouse table. An encoder has no state: it
 * always encodes a row as the same bytes.
 */
public interface RowEncoder<T> extends Serializable {

  /** The table, and its columns in the order in which {@link #encode} writes them. */
  TableSchema schema();

  /**
   * The value of the table's {@code PARTITION BY} expression for the row, which must be an integer;
   * 0 if the table has no partitions. A batch contains rows of one partition, and a probe searches
   * only that partition.
   */
  long partition(T row);

  /**
   * Whether a restart sends the row again with the same key, and with either a higher version or
   * the same version and content. Such a row may be an early write, before its checkpoint
   * completes. The sink asks only when the {@link ProgressMarker} before the row is replay-stable.
   */
  default boolean isReplayStable(T row) {
    return false;
  }

  /**
   * When the source committed the row, microseconds since 1970 in UTC. Early writes of rows that
   * were committed long ago wait for more of them, so that a backlog is not written in small
   * blocks. {@link Long#MAX_VALUE}: not known; the row does not wait.
   */
  default long committedAt(T row) {
    return Long.MAX_VALUE;
  }

  /**
   * Writes every column of {@link #schema} in order.
   *
   * @throws UnencodableValueException if a column cannot hold a value
   */
  void encode(T row, NativeWriter out);
}
