package io.experimentetl.cdc;

import io.debezium.pipeline.DataChangeEvent;
import io.experimentetl.model.Change;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.types.Either;
import org.apache.kafka.connect.source.SourceRecord;

/** Gathers what the stream or a chunk gives, and hands it over in batches. */
final class StreamBatches {
  /** Where the batches go. Waits while it is full. */
  @FunctionalInterface
  interface Receiver {
    void enqueue(DataChangeEvent batch) throws InterruptedException;
  }

  /** Keys of a batch's offset, as the connector's offsets have them. */
  static final String LSN = "lsn";

  /** Offsets of the snapshot do not have it. */
  static final String COMMIT_LSN = "lsn_commit";

  private static final int ELEMENTS = 512;

  /** The message that reaches this size ends a batch. */
  private static final int BYTES = 1 << 20;

  /** A part of the stream waits no longer for the rest of its batch. */
  private static final long LONGEST_WAIT_NANOS = 5_000_000;

  private static final String TOPIC = "stream";

  private final Receiver receiver;
  private final long floor;
  private List<Either<ReaderNotice, Change>> elements = new ArrayList<>(ELEMENTS);
  private int changes;
  private int bytes;
  private long firstAddedNanos;
  private long handedOverNanos = System.nanoTime();

  /** Of the last element: the slot must not be told more than {@link Continuity} knows. */
  private long lsn;

  private long committedAt;

  /**
   * No batch yet.
   *
   * @param floor where the slot stands. A row of a transaction that was open there lies below; it
   *     is no position from which the stream can go on.
   */
  StreamBatches(Receiver receiver, long floor) {
    this.receiver = receiver;
    this.floor = floor;
  }

  void add(Either<ReaderNotice, Change> element) {
    if (elements.isEmpty()) {
      firstAddedNanos = System.nanoTime();
    }
    elements.add(element);
    if (element.isRight()) {
      changes++;
      lsn = element.right().position().lsn();
      committedAt = element.right().position().committedAt();
    } else if (element.left().progress() != null) {
      lsn = element.left().progress().lsn();
    }
  }

  /** Notes the size of the message that gave the last elements. */
  void addBytes(int size) {
    bytes += size;
  }

  boolean isFull() {
    return elements.size() >= ELEMENTS || bytes >= BYTES;
  }

  /** Whether the first element of the batch has waited long enough. */
  boolean isWaiting() {
    return !elements.isEmpty() && System.nanoTime() - firstAddedNanos >= LONGEST_WAIT_NANOS;
  }

  /** Whether nothing was added for so long. */
  boolean isSilentFor(Duration time) {
    return elements.isEmpty() && System.nanoTime() - handedOverNanos >= time.toNanos();
  }

  /**
   * Hands over what was gathered. Waits while the receiver is full.
   *
   * @param lastCommit the end of the last commit; 0: none yet
   */
  void handOver(long lastCommit) throws InterruptedException {
    bytes = 0;
    if (elements.isEmpty()) {
      return;
    }
    StreamBatch batch = new StreamBatch(elements, changes, committedAt);
    elements = new ArrayList<>(ELEMENTS);
    changes = 0;
    handedOverNanos = System.nanoTime();
    receiver.enqueue(
        new DataChangeEvent(
            new SourceRecord(
                Map.of(),
                Map.of(LSN, Math.max(floor, lsn), COMMIT_LSN, lastCommit),
                TOPIC,
                null,
                batch)));
  }
}
