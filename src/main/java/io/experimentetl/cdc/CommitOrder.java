package io.experimentetl.cdc;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.kafka.common.TopicPartition;

/**
 * Brings what Debezium has dealt out over topics and partitions back into the order of PostgreSQL's
 * commits: each partition is in that order, so the earliest of all partitions' first records is the
 * next one, if no partition can still bring an earlier one. A partition can't that has a record
 * waiting, or of which all was read that it held after the waiting records came: Debezium writes in
 * commit order.
 */
final class CommitOrder {
  private final Map<TopicPartition, Deque<DebeziumRecord>> waiting = new LinkedHashMap<>();

  void addPartition(TopicPartition partition) {
    waiting.putIfAbsent(partition, new ArrayDeque<>());
  }

  void add(DebeziumRecord record) {
    waiting.get(record.partition()).add(record);
  }

  int waiting(TopicPartition partition) {
    return waiting.get(partition).size();
  }

  boolean isEmpty() {
    return waiting.values().stream().allMatch(Deque::isEmpty);
  }

  /**
   * Takes out what has its place by now.
   *
   * @param isReadToItsEnd of partitions that held nothing more when all that waits had come
   * @param max so many at once
   */
  List<DebeziumRecord> release(Predicate<TopicPartition> isReadToItsEnd, int max) {
    List<DebeziumRecord> released = new ArrayList<>();
    while (released.size() < max) {
      DebeziumRecord next = null;
      for (Map.Entry<TopicPartition, Deque<DebeziumRecord>> partition : waiting.entrySet()) {
        DebeziumRecord first = partition.getValue().peek();
        if (first == null) {
          if (!isReadToItsEnd.test(partition.getKey())) {
            return released;
          }
        } else if (next == null || DebeziumRecord.IN_COMMIT_ORDER.compare(first, next) < 0) {
          next = first;
        }
      }
      if (next == null) {
        return released;
      }
      released.add(waiting.get(next.partition()).remove());
    }
    return released;
  }
}
