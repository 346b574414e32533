package io.experimentetl.stats;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.DailyTotal;
import io.experimentetl.model.RowVersion;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;

/**
 * {@code daily-stats}: adds contributions up and sends each changed row just before each barrier,
 * so that raw rows and statistics of a checkpoint are of the same prefix of the log. A day closes
 * when the watermark passes its end by the allowed lateness; a later contribution still restates
 * it.
 */
public final class DailyStatsOperator
    extends AbstractStreamOperator<Either<ProgressMarker, DailyStats>>
    implements TwoInputStreamOperator<
            DailyContribution, Either<ProgressMarker, Change>, Either<ProgressMarker, DailyStats>>,
        Triggerable<String, VoidNamespace> {

  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<ProgressMarker, DailyStats>> TYPE =
      TypeInformation.of(new TypeHint<>() {});

  private static final ValueStateDescriptor<DailyState> STATE =
      new ValueStateDescriptor<>("day", TypeInformation.of(DailyState.class));

  private final long allowedLatenessMillis;
  private final HashMap<String, String> kinds = new HashMap<>();

  private transient ValueState<DailyState> state;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient Map<DailyKey, DailyTotal> unsent;
  private transient ProgressMarker marker;

  public DailyStatsOperator(StatisticsConfig statistics) {
    this.allowedLatenessMillis = statistics.allowedLateness().toMillis();
    for (MetricConfig metric : statistics.metrics()) {
      kinds.put(metric.name(), metric.kind().columnValue());
    }
  }

  /** The day's key as text: the hash of a text is the same on every JVM. */
  public static String keyOf(DailyContribution contribution) {
    DailyKey key = contribution.key();
    return key.experimentId() + "/" + key.variantId() + "/" + key.dayEpoch() + "/" + key.metric();
  }

  private static DailyKey keyOf(String text) {
    String[] parts = text.split("/", 4);
    return new DailyKey(
        Long.parseLong(parts[0]), Long.parseLong(parts[1]), parts[3], Integer.parseInt(parts[2]));
  }

  @Override
  public void open() throws Exception {
    super.open();
    state = getPartitionedState(STATE);
    timers = getInternalTimerService("windows", VoidNamespaceSerializer.INSTANCE, this);
    unsent = new HashMap<>();
  }

  @Override
  public void processElement1(StreamRecord<DailyContribution> record) {
    DailyContribution contribution = record.getValue();
    unsent
        .computeIfAbsent(contribution.key(), key -> new DailyTotal())
        .add(contribution.sums(), contribution.dayEndsAt());
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record) {
    if (record.getValue().isLeft()) {
      marker = record.getValue().left();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (Map.Entry<DailyKey, DailyTotal> entry : unsent.entrySet()) {
      DailyTotal total = entry.getValue();
      DailySums difference = total.sums();
      setCurrentKey(keyOf(new DailyContribution(entry.getKey(), difference, 0)));
      DailyState old = state.value();
      long closesAt = total.dayEndsAt() + allowedLatenessMillis;
      boolean closed = closesAt <= timers.currentWatermark() || (old != null && old.closed());
      if (!closed) {
        timers.registerEventTimeTimer(VoidNamespace.INSTANCE, closesAt);
      }
      DailySums sums = old == null ? difference : old.sums().plus(difference);
      send(entry.getKey(), sums, closed, old);
    }
    unsent.clear();
    if (marker != null) {
      output.collect(new StreamRecord<>(Either.Left(marker)));
    }
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    DailyState open = state.value();
    if (open == null || open.closed()) {
      return;
    }
    if (open.sums().isZero() || !kinds.containsKey(keyOf(timer.getKey()).metric())) {
      // The rows of an ended metric stay as they are.
      state.clear();
    } else {
      send(keyOf(timer.getKey()), open.sums(), true, open);
    }
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("daily-stats sets no processing-time timers");
  }

  /** Sends and keeps the row; the current key is its key. */
  private void send(DailyKey key, DailySums sums, boolean closed, DailyState old) throws Exception {
    ProgressMarker asOf = marker == null ? new ProgressMarker(0, 0, 0, false, false) : marker;
    long version =
        Math.max(
            old == null ? 0 : old.version() + 1,
            RowVersion.ofSequenceNumber(asOf.sequenceNumber()));
    state.update(new DailyState(sums, closed, version));
    output.collect(
        new StreamRecord<>(
            Either.Right(
                new DailyStats(
                    key,
                    kinds.get(key.metric()),
                    sums,
                    closed,
                    new RowVersion(asOf.lsn(), asOf.committedAt(), version, sums.isZero(), "")))));
  }
}
