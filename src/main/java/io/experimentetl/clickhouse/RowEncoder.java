package io.experimentetl.clickhouse;

import java.io.Serializable;

/**
 * How a row becomes a row of one ClickHouse table. Implementations hold no state: one row always
 * gives the same bytes.
 */
public interface RowEncoder<T> extends Serializable {

  /** The table and the columns in the order in which {@link #encode} writes them. */
  TableSchema schema();

  /**
   * The value of the table's {@code PARTITION BY} expression for the row, which has to be an
   * integer; 0 if the table isn't partitioned. A batch holds rows of one partition only, and is
   * looked for in that partition only.
   */
  long partition(T row);

  /**
   * Whether the row, when it comes again after a restart, has the same key, and this version with
   * the same content or a higher one: then it may be written before its checkpoint completes. Asked
   * only where the {@link io.experimentetl.clickhouse.ProgressMarker} before it is repeatable.
   */
  default boolean isReplayStable(T row) {
    return false;
  }

  /**
   * Writes every column of {@link #schema} in order.
   *
   * @throws UnencodableValueException if a value doesn't fit its column
   */
  void encode(T row, RowBinaryWriter out);
}
