package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class CommitOrderTest {
  private static final TopicPartition A = new TopicPartition("a", 0);
  private static final TopicPartition B = new TopicPartition("b", 0);

  /** By when all records of a test were read that have no other time. */
  private static final long NOW = 1;

  private final CommitOrder order = new CommitOrder();

  private static DebeziumRecord record(TopicPartition partition, long commitBefore, long lsn) {
    return new DebeziumRecord(partition, lsn, commitBefore, lsn, "", List.of(), null);
  }

  @Test
  void recordWaitsForAPartitionThatMayDeliverAnEarlierOne() {
    order.addPartition(A);
    order.addPartition(B);
    order.add(record(A, 10, 11), 0);
    assertThat(order.release(partition -> false, NOW, 100)).isEmpty();
    order.add(record(B, 5, 6), 0);
    assertThat(order.release(partition -> false, NOW, 100)).containsExactly(record(B, 5, 6));
    assertThat(order.release(partition -> partition.equals(B), NOW, 100))
        .containsExactly(record(A, 10, 11));
    assertThat(order.isEmpty()).isTrue();
  }

  @Test
  void snapshotPrecedesTheStreamAndTransactionsFollowTheirCommits() {
    order.addPartition(A);
    order.addPartition(B);
    // The second transaction wrote first and committed last.
    order.add(record(A, 40, 20), 0);
    order.add(record(B, -1, 3), 0);
    order.add(record(B, 0, 30), 0);
    assertThat(order.release(partition -> true, NOW, 100))
        .extracting(DebeziumRecord::commitBefore)
        .containsExactly(-1L, 0L, 40L);
  }

  /** A broker may show the deletes of a clean-up before their marker in another partition. */
  @Test
  void laterRecordOfOneRequestWaitsUntilTheEarlierIsAppended() {
    order.addPartition(A);
    order.addPartition(B);
    order.add(record(A, 10, 12), 100);
    assertThat(order.hasReadBefore(100)).isFalse();
    assertThat(order.release(partition -> true, 100, 100)).isEmpty();

    order.add(record(B, 10, 11), 103);
    assertThat(order.hasReadBefore(104)).isTrue();
    assertThat(order.release(partition -> true, 104, 100))
        .containsExactly(record(B, 10, 11), record(A, 10, 12));
  }

  @Test
  void earlierRecordThatWasReadJustNowHoldsTheLaterOnes() {
    order.addPartition(A);
    order.addPartition(B);
    order.add(record(A, 10, 12), 100);
    order.add(record(B, 10, 11), 103);
    assertThat(order.release(partition -> true, 102, 100)).isEmpty();
  }

  @Property(tries = 200)
  void streamKeepsItsOrderForAnyPartitioning(
      @ForAll @IntRange(min = 1, max = 5) int partitions, @ForAll long seed) {
    Random random = new Random(seed);
    CommitOrder anyOrder = new CommitOrder();
    List<List<DebeziumRecord>> topics = new ArrayList<>();
    for (int p = 0; p < partitions; p++) {
      topics.add(new ArrayList<>());
      anyOrder.addPartition(new TopicPartition("t", p));
    }
    List<Long> expected = new ArrayList<>();
    for (long lsn = 1; lsn <= 100; lsn++) {
      int p = random.nextInt(partitions);
      topics.get(p).add(record(new TopicPartition("t", p), lsn / 7 * 7, lsn));
      expected.add(lsn);
    }
    List<Long> released = new ArrayList<>();
    int[] read = new int[partitions];
    while (released.size() < expected.size()) {
      int p = random.nextInt(partitions);
      int until = Math.min(topics.get(p).size(), read[p] + random.nextInt(9));
      for (; read[p] < until; read[p]++) {
        anyOrder.add(topics.get(p).get(read[p]), 0);
      }
      Set<TopicPartition> atTheirEnd = new HashSet<>();
      for (int i = 0; i < partitions; i++) {
        if (read[i] == topics.get(i).size()) {
          atTheirEnd.add(new TopicPartition("t", i));
        }
      }
      anyOrder
          .release(atTheirEnd::contains, NOW, 1 + random.nextInt(5))
          .forEach(record -> released.add(record.within()));
    }
    assertThat(released).isEqualTo(expected);
  }
}
