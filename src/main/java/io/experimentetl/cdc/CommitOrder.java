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
 * an earlier record. It cannot if it was read to its end a while after the waiting record had been
 * read: a broker appends the partitions of one request one by one, in any order.
 */
final class CommitOrder {
  private record Waiting(DebeziumRecord record, long readAt) {}

  private final Map<TopicPartition, Deque<Waiting>> waiting = new LinkedHashMap<>();

  void addPartition(TopicPartition partition) {
    waiting.putIfAbsent(partition, new ArrayDeque<>());
  }

  /**
   * Adds the next record of its partition.
   *
   * @param readAt by {@link System#nanoTime()}
   */
  void add(DebeziumRecord record, long readAt) {
    waiting.get(record.partition()).add(new Waiting(record, readAt));
  }

  int waiting(TopicPartition partition) {
    return waiting.get(partition).size();
  }

  boolean isEmpty() {
    return waiting.values().stream().allMatch(Deque::isEmpty);
  }

  /** Whether a record waits that was read before a time, by {@link System#nanoTime()}. */
  boolean hasReadBefore(long time) {
    return waiting.values().stream()
        .map(Deque::peek)
        .anyMatch(first -> first != null && first.readAt() - time < 0);
  }

  /**
   * Removes and returns the records whose place in the order is certain.
   *
   * @param isReadToItsEnd whether a partition has been read to its present end
   * @param readBefore by {@link System#nanoTime()}: records that were read later stay
   * @param max number of records to return
   */
  List<DebeziumRecord> release(Predicate<TopicPartition> isReadToItsEnd, long readBefore, int max) {
    List<DebeziumRecord> released = new ArrayList<>();
    while (released.size() < max) {
      Waiting next = null;
      for (Map.Entry<TopicPartition, Deque<Waiting>> partition : waiting.entrySet()) {
        Waiting first = partition.getValue().peek();
        if (first == null) {
          if (!isReadToItsEnd.test(partition.getKey())) {
            return released;
          }
        } else if (next == null
            || DebeziumRecord.IN_COMMIT_ORDER.compare(first.record(), next.record()) < 0) {
          next = first;
        }
      }
      if (next == null || next.readAt() - readBefore >= 0) {
        return released;
      }
      released.add(waiting.get(next.record().partition()).remove().record());
    }
    return released;
  }
}
