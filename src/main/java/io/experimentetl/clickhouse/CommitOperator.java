package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseCommitter.Guard;
import io.experimentetl.clickhouse.ClickHouseCommitter.Pending;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.core.io.SimpleVersionedSerialization;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableWithLineage;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * The operator of {@link JointCommit}. Its state holds what was sealed before a checkpoint and is
 * not committed yet. What a restored checkpoint holds is committed before the first row.
 */
final class CommitOperator extends AbstractStreamOperator<Void>
    implements OneInputStreamOperator<CommittableMessage<Committable>, Void> {

  private static final long serialVersionUID = 1;
  private static final CommittableSerializer SERIALIZER = new CommittableSerializer();
  private static final long NONE = Long.MAX_VALUE;

  /** Committables of completed or pending checkpoints. */
  private static final ListStateDescriptor<byte[]> SEALED =
      new ListStateDescriptor<>("sealed", BytePrimitiveArraySerializer.INSTANCE);

  private final ClickHouseConnection connection;
  private final BatchLimits limits;
  private final Duration lagLimit;
  private final List<String> tables;

  private transient ClickHouseCommitter committer;
  private transient ListState<byte[]> state;
  private transient List<Committable> received;
  private transient TreeMap<Long, List<Committable>> byCheckpoint;
  private transient AtomicLong pendingBatches;
  private transient AtomicLong pendingBytes;

  /** {@link SealedBatch#sealedAt} of the oldest uncommitted batch, or {@link #NONE}. */
  private transient AtomicLong oldestSealedAt;

  private transient volatile double lastCommitSeconds;

  CommitOperator(
      ClickHouseConnection connection, BatchLimits limits, Duration lagLimit, List<String> tables) {
    this.connection = connection;
    this.limits = limits;
    this.lagLimit = lagLimit;
    this.tables = List.copyOf(tables);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    received = new ArrayList<>();
    byCheckpoint = new TreeMap<>();
    pendingBatches = new AtomicLong();
    pendingBytes = new AtomicLong();
    MetricGroup metrics = MetricScope.of(getMetricGroup());
    metrics.gauge("uncommitted_batches", pendingBatches::get);
    metrics.gauge("uncommitted_bytes", pendingBytes::get);
    oldestSealedAt = new AtomicLong(NONE);
    metrics.gauge("oldest_uncommitted_batch_age_seconds", this::oldestAgeSeconds);
    metrics.gauge("last_checkpoint_commit_seconds", () -> lastCommitSeconds);
    committer =
        new ClickHouseCommitter(
            connection,
            limits,
            tables,
            getContainingTask().getEnvironment().getJobID().toHexString(),
            ClickHouseWriter.restoredCheckpoint(context.getRestoredCheckpointId()),
            EnumSet.allOf(Guard.class),
            metrics);
    state = context.getOperatorStateStore().getListState(SEALED);
    List<Committable> restored = new ArrayList<>();
    for (byte[] sealed : state.get()) {
      restored.add(SimpleVersionedSerialization.readVersionAndDeSerialize(SERIALIZER, sealed));
    }
    restored.forEach(committable -> count(committable, 1));
    commit(restored);
    oldestSealedAt.set(NONE);
  }

  @Override
  public void processElement(StreamRecord<CommittableMessage<Committable>> record) {
    if (record.getValue() instanceof CommittableWithLineage<Committable> sealed) {
      received.add(sealed.getCommittable());
      count(sealed.getCommittable(), 1);
    }
  }

  private void count(Committable sealed, int sign) {
    if (sealed instanceof SealedBatch batch) {
      pendingBatches.addAndGet(sign);
      pendingBytes.addAndGet((long) sign * batch.body().length);
      if (sign > 0) {
        oldestSealedAt.accumulateAndGet(batch.sealedAt(), Math::min);
      }
    }
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    byCheckpoint.put(context.getCheckpointId(), received);
    received = new ArrayList<>();
    List<byte[]> all = new ArrayList<>();
    for (List<Committable> checkpoint : byCheckpoint.values()) {
      for (Committable sealed : checkpoint) {
        all.add(SimpleVersionedSerialization.writeVersionAndSerialize(SERIALIZER, sealed));
      }
    }
    state.update(all);
  }

  /** Commits also what an earlier checkpoint holds that failed, or whose notification was lost. */
  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    Map<Long, List<Committable>> completed = byCheckpoint.headMap(checkpointId, true);
    List<Committable> sealed = completed.values().stream().flatMap(List::stream).toList();
    commit(sealed);
    completed.clear();
    oldestSealedAt.set(
        Stream.concat(byCheckpoint.values().stream().flatMap(List::stream), received.stream())
            .filter(SealedBatch.class::isInstance)
            .mapToLong(batch -> ((SealedBatch) batch).sealedAt())
            .min()
            .orElse(NONE));
  }

  /** Another thread calls it, also while a commit hangs. */
  private double oldestAgeSeconds() {
    long sealedAt = oldestSealedAt.get();
    return sealedAt == NONE ? 0 : Math.max(0, System.currentTimeMillis() - sealedAt) / 1000.0;
  }

  private void commit(List<Committable> completed) throws IOException, InterruptedException {
    long started = System.nanoTime();
    List<Pending> batches = new ArrayList<>();
    ReachedMarkers markers = new ReachedMarkers(tables.size());
    for (Committable one : completed) {
      if (one instanceof SealedBatch batch) {
        batches.add(new Pending(batch, 0));
      } else {
        markers.add((SealedMarker) one);
      }
    }
    committer.commitRows(batches);
    completed.forEach(one -> count(one, -1));
    Optional<ReachedMarkers.Reached> reached = markers.reachedByAll();
    if (reached.isPresent()) {
      committer.commitMarker(reached.get(), lagLimit.toSeconds());
    }
    lastCommitSeconds = MetricScope.secondsOf(System.nanoTime() - started);
  }

  @Override
  public void close() throws Exception {
    if (committer != null) {
      committer.close();
    }
    super.close();
  }
}
