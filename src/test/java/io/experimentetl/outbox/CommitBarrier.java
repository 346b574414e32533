package io.experimentetl.outbox;

import io.experimentetl.clickhouse.WriterSink;
import java.io.IOException;
import java.util.Collection;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.StatefulSinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.SupportsWriterState;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.SupportsPostCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;

/**
 * The outbox sink with commits that a test can delay, and can fail before or after Kafka's commit.
 */
final class CommitBarrier<S, C>
    implements WriterSink<OutboxMessage>,
        SupportsWriterState<OutboxMessage, S>,
        SupportsCommitter<RelayedRows<C>>,
        SupportsPostCommitTopology<RelayedRows<C>> {
  private static final long serialVersionUID = 1L;

  static volatile CountDownLatch open = new CountDownLatch(0);
  static final AtomicInteger waiting = new AtomicInteger();
  static final AtomicInteger failuresBefore = new AtomicInteger();
  static final AtomicInteger failuresAfter = new AtomicInteger();

  private final OutboxSink<S, C> sink;

  private CommitBarrier(OutboxSink<S, C> sink) {
    this.sink = sink;
  }

  static Sink<OutboxMessage> around(Sink<OutboxMessage> sink) {
    return around((OutboxSink<?, ?>) sink);
  }

  private static <S, C> CommitBarrier<S, C> around(OutboxSink<S, C> sink) {
    return new CommitBarrier<>(sink);
  }

  private static boolean takeOne(AtomicInteger failures) {
    return failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
  }

  @Override
  public SinkWriter<OutboxMessage> createWriter(WriterInitContext context) throws IOException {
    return sink.createWriter(context);
  }

  @Override
  public StatefulSinkWriter<OutboxMessage, S> restoreWriter(
      WriterInitContext context, Collection<S> recovered) throws IOException {
    return sink.restoreWriter(context, recovered);
  }

  @Override
  public SimpleVersionedSerializer<S> getWriterStateSerializer() {
    return sink.getWriterStateSerializer();
  }

  @Override
  public Committer<RelayedRows<C>> createCommitter(CommitterInitContext context)
      throws IOException {
    Committer<RelayedRows<C>> committer = sink.createCommitter(context);
    return new Committer<>() {
      @Override
      public void commit(Collection<CommitRequest<RelayedRows<C>>> requests)
          throws IOException, InterruptedException {
        if (requests.isEmpty()) {
          return;
        }
        waiting.incrementAndGet();
        open.await();
        if (takeOne(failuresBefore)) {
          throw new IOException("test failure between checkpoint and commit");
        }
        committer.commit(requests);
        if (takeOne(failuresAfter)) {
          throw new IOException("test failure between commit and acknowledgement");
        }
      }

      @Override
      public void close() throws Exception {
        committer.close();
      }
    };
  }

  @Override
  public SimpleVersionedSerializer<RelayedRows<C>> getCommittableSerializer() {
    return sink.getCommittableSerializer();
  }

  @Override
  public void addPostCommitTopology(DataStream<CommittableMessage<RelayedRows<C>>> committed) {
    sink.addPostCommitTopology(committed);
  }
}
