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
 * Merges the records of all topics and partitions into the order of PostgreSQL's commits. Each
 * partition is in that order, because Debezium writes in commit order. The earliest of the
 * partitions' first records is therefore the next one, unless an empty partition may still receive
 * an earlier record. It cannot if it was read to its end after the waiting records had arrived.
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
   * Removes and returns the records whose place in the order is certain.
   *
   * @param isReadToItsEnd whether a partition was read to its end after the waiting records had
   *     arrived
   * @param max number of records to return
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
