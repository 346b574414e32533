package io.experimentetl.cdc;

import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.flink.connector.base.source.reader.RecordsWithSplitIds;
import org.apache.flink.connector.base.source.reader.splitreader.SplitReader;
import org.apache.flink.connector.base.source.reader.splitreader.SplitsChange;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads all topics with one consumer and returns their records in PostgreSQL's commit order.
 * Checkpoints do not contain records that still wait for their place: a restart reads them again.
 */
final class TopicsReader implements SplitReader<DebeziumRecord, TopicsSplit> {
  private static final Logger LOG = LoggerFactory.getLogger(TopicsReader.class);

  /** Waiting records of one partition above which the partition is paused. */
  private static final int MOST_WAITING = 5_000;

  private static final int MOST_AT_ONCE = 2_000;
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Duration POLL_WHILE_SOME_WAIT = Duration.ofMillis(20);

  /**
   * How long a broker may take to append one request's records to their partitions. A busy machine
   * showed a later record tens of milliseconds before an earlier one.
   */
  private static final Duration APPENDING = Duration.ofMillis(250);

  private static final long DISCOVERY_NANOS = Duration.ofSeconds(60).toNanos();

  private final KafkaSourceSettings settings;
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final DebeziumDecoder decoder;
  private final CommitOrder order = new CommitOrder();
  private final AppendedRecords appended = new AppendedRecords(APPENDING.toNanos());
  private final Map<TopicPartition, Long> restored = new HashMap<>();
  private final Set<TopicPartition> held = new HashSet<>();
  private long nextDiscoveryAt = System.nanoTime();

  TopicsReader(KafkaSourceSettings settings) {
    this.settings = settings;
    this.decoder = new DebeziumDecoder(settings);
    Properties properties = new Properties();
    properties.putAll(settings.client());
    properties.setProperty("isolation.level", "read_committed");
    properties.setProperty("enable.auto.commit", "false");
    // Records that Kafka's retention deleted unread must stop the job, not be skipped.
    properties.setProperty("auto.offset.reset", "none");
    properties.setProperty("max.poll.records", Integer.toString(MOST_WAITING));
    consumer =
        new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  @Override
  public void handleSplitsChanges(SplitsChange<TopicsSplit> change) {
    // The next fetch discovers their partitions: a wake-up may interrupt it, and fetches repeat.
    change.splits().forEach(split -> restored.putAll(split.next()));
  }

  /** Starts reading the partitions that are not read yet. */
  private void discover() {
    Set<TopicPartition> found = new HashSet<>();
    for (String topic : settings.topics()) {
      for (PartitionInfo partition : consumer.partitionsFor(topic)) {
        found.add(new TopicPartition(topic, partition.partition()));
      }
    }
    found.removeAll(consumer.assignment());
    if (!found.isEmpty()) {
      Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(found);
      appended.note(consumer.endOffsets(found), System.nanoTime());
      Set<TopicPartition> all = new HashSet<>(consumer.assignment());
      all.addAll(found);
      // No call below contacts the broker, so none can fail halfway.
      consumer.assign(all);
      for (TopicPartition partition : found) {
        order.addPartition(partition);
        consumer.seek(partition, restored.getOrDefault(partition, beginnings.get(partition)));
      }
    }
    nextDiscoveryAt = System.nanoTime() + DISCOVERY_NANOS;
  }

  @Override
  public RecordsWithSplitIds<DebeziumRecord> fetch() {
    try {
      if (System.nanoTime() - nextDiscoveryAt >= 0) {
        discover();
      }
      for (ConsumerRecord<byte[], byte[]> record :
          consumer.poll(order.isEmpty() ? POLL : POLL_WHILE_SOME_WAIT)) {
        order.add(
            decoder.decode(record),
            appended.since(partitionOf(record), record.offset(), System.nanoTime()));
      }
      long settled = System.nanoTime() - APPENDING.toNanos();
      if (!order.hasReadBefore(settled)) {
        return new Batch(Collections.emptyIterator());
      }
      // Every record written before a record that was read by then lies before these offsets.
      Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
      appended.note(ends, System.nanoTime());
      List<DebeziumRecord> released =
          order.release(
              partition -> consumer.position(partition) >= ends.get(partition),
              settled,
              MOST_AT_ONCE);
      holdWhatIsAhead();
      return new Batch(released.iterator());
    } catch (WakeupException e) {
      // Flink needs the thread for another task; the waiting records stay queued.
      return new Batch(Collections.emptyIterator());
    } catch (TimeoutException e) {
      LOG.warn("{} does not answer; the source retries.", settings.place(), e);
      return new Batch(Collections.emptyIterator());
    } catch (OffsetOutOfRangeException e) {
      throw new SuppressRestartsException(
          new DiscontinuityException(
              settings.place()
                  + " does not have the job's position any more ("
                  + e.offsetOutOfRangePartitions()
                  + "): retention has deleted unread records, or the topic was recreated. Let Debezium take a new snapshot into empty topics, and "
                  + Continuity.START_ANEW));
    }
  }

  private static TopicPartition partitionOf(ConsumerRecord<?, ?> record) {
    return new TopicPartition(record.topic(), record.partition());
  }

  private void holdWhatIsAhead() {
    for (TopicPartition partition : consumer.assignment()) {
      if (order.waiting(partition) >= MOST_WAITING) {
        if (held.add(partition)) {
          consumer.pause(List.of(partition));
        }
      } else if (order.waiting(partition) < MOST_WAITING / 2 && held.remove(partition)) {
        consumer.resume(List.of(partition));
      }
    }
  }

  @Override
  public void wakeUp() {
    consumer.wakeup();
  }

  @Override
  public void pauseOrResumeSplits(
      Collection<TopicsSplit> splitsToPause, Collection<TopicsSplit> splitsToResume) {
    throw new UnsupportedOperationException("There are no watermarks here to be aligned.");
  }

  @Override
  public void close() {
    consumer.close(Duration.ofSeconds(10));
  }

  private static final class Batch implements RecordsWithSplitIds<DebeziumRecord> {
    private final Iterator<DebeziumRecord> records;
    private boolean begun;

    private Batch(Iterator<DebeziumRecord> records) {
      this.records = records;
    }

    @Override
    public String nextSplit() {
      if (begun) {
        return null;
      }
      begun = true;
      return TopicsSplit.ID;
    }

    @Override
    public DebeziumRecord nextRecordFromSplit() {
      return records.hasNext() ? records.next() : null;
    }

    @Override
    public Set<String> finishedSplits() {
      return Set.of();
    }
  }
}
