package io.experimentetl.cdc;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/**
 * Tells since when a record is known to be in its partition, by the ends of the partitions at two
 * earlier times. A record of a backlog was there long before it is read, whatever its own timestamp
 * says: that is of the producer's clock. All times are of {@link System#nanoTime()}.
 */
final class AppendedRecords {
  private final long apartNanos;
  private Map<TopicPartition, Long> older = Map.of();
  private Map<TopicPartition, Long> newer = Map.of();
  private long olderAt;
  private long newerAt;

  /** Keeps ends that were taken at least so far apart. */
  AppendedRecords(long apartNanos) {
    this.apartNanos = apartNanos;
  }

  /**
   * Notes the partitions' present ends.
   *
   * @param ends the offset of the next record of each
   */
  void note(Map<TopicPartition, Long> ends, long now) {
    if (newer.isEmpty() || now - newerAt >= apartNanos) {
      older = newer;
      olderAt = newerAt;
      newer = Map.copyOf(ends);
      newerAt = now;
    } else if (!newer.keySet().containsAll(ends.keySet())) {
      // A partition that was discovered: its records are known to be there from now on.
      Map<TopicPartition, Long> all = new HashMap<>(ends);
      all.putAll(newer);
      newer = all;
      newerAt = now;
    }
  }

  /** Since when the record is known to be there; now, where neither of the ends covers it. */
  long since(TopicPartition partition, long offset, long now) {
    if (offset < older.getOrDefault(partition, 0L)) {
      return olderAt;
    }
    return offset < newer.getOrDefault(partition, 0L) ? newerAt : now;
  }
}
