package io.experimentetl.replicate;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.model.Change;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
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
 * {@code look-up}: keeps each reference and the rows that name it, and answers each row. A row
 * whose reference is missing is answered when the reference comes, and before that once after the
 * grace period, which ends for no row while the snapshot is read. A changed reference answers its
 * rows again if the lookup rewrites.
 *
 * <p>Of one reference, changes may arrive out of order: the source's table may sort it by another
 * column than its key. The change with the greatest sequence number counts, and of two with one
 * number the one that leaves a row. What a deleted reference needs for that is kept until the next
 * barrier, which every change before it has passed.
 */
public final class LookupOperator extends AbstractStreamOperator<Either<Change, LookupAnswer>>
    implements TwoInputStreamOperator<
            LookupInput, Either<ProgressMarker, Change>, Either<Change, LookupAnswer>>,
        Triggerable<String, VoidNamespace> {
  private static final long serialVersionUID = 1L;

  static final TypeInformation<LookupInput> INPUT = TypeInformation.of(LookupInput.class);

  /**
   * A row of the other table.
   *
   * @param values null: it was deleted
   */
  public record Reference(long sequenceNumber, String values) {}

  /**
   * A row that names the reference.
   *
   * @param sequenceNumber of its last change
   * @param waitsUntil processing time, milliseconds since 1970; 0: it was answered
   */
  public record Holder(String table, long sequenceNumber, long waitsUntil) {}

  private static final ValueStateDescriptor<Reference> REFERENCE =
      new ValueStateDescriptor<>("reference", TypeInformation.of(Reference.class));

  private static final MapStateDescriptor<String, Holder> HOLDERS =
      new MapStateDescriptor<>("holders", Types.STRING, TypeInformation.of(Holder.class));

  /** Rows of one reference share timers. */
  private static final long TIMER_MILLIS = 100;

  private static final long SNAPSHOT_MILLIS = 1000;

  private final long graceMillis;
  private final HashMap<String, Boolean> rewrites = new HashMap<>();

  private transient ValueState<Reference> reference;
  private transient MapState<String, Holder> holders;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient Set<String> deleted;
  private transient boolean snapshotDone;
  private transient Counter missed;
  private transient Counter rewritten;

  public LookupOperator(List<ReplicatedTable> tables, Duration grace) {
    this.graceMillis = grace.toMillis();
    for (ReplicatedTable table : tables) {
      for (Lookup lookup : table.lookups()) {
        rewrites.put(table.idOf(lookup), lookup.rewrite());
      }
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    reference = getPartitionedState(REFERENCE);
    holders = getRuntimeContext().getMapState(HOLDERS);
    timers = getInternalTimerService("grace", VoidNamespaceSerializer.INSTANCE, this);
    deleted = new HashSet<>();
    missed = MetricScope.of(getMetricGroup()).counter("lookups_missed_total");
    rewritten = MetricScope.of(getMetricGroup()).counter("lookups_rewritten_total");
  }

  @Override
  public void processElement1(StreamRecord<LookupInput> record) throws Exception {
    LookupInput input = record.getValue();
    if (input.row() == null) {
      change(input);
    } else if (input.present()) {
      hold(input);
    } else {
      holders.remove(input.row());
    }
  }

  private void hold(LookupInput input) throws Exception {
    Reference known = reference.value();
    if (known != null && known.values != null) {
      answer(input.lookup(), input.table(), input.row(), input.sequenceNumber(), known.values);
      if (rewrites.get(input.lookup())) {
        holders.put(input.row(), new Holder(input.table(), input.sequenceNumber(), 0));
      } else {
        holders.remove(input.row());
      }
      return;
    }
    long now = timers.currentProcessingTime();
    long due = (now + graceMillis + TIMER_MILLIS) / TIMER_MILLIS * TIMER_MILLIS;
    holders.put(input.row(), new Holder(input.table(), input.sequenceNumber(), due));
    timers.registerProcessingTimeTimer(VoidNamespace.INSTANCE, due);
  }

  private void change(LookupInput input) throws Exception {
    Reference before = reference.value();
    if (before != null
        && (input.present()
            ? input.sequenceNumber() < before.sequenceNumber
            : input.sequenceNumber() <= before.sequenceNumber)) {
      return;
    }
    reference.update(new Reference(input.sequenceNumber(), input.values()));
    if (!input.present()) {
      deleted.add(LookupInput.keyOf(input));
    }
    String valuesBefore = before == null ? null : before.values;
    if (Objects.equals(valuesBefore, input.values())) {
      return;
    }
    boolean rewrite = rewrites.get(input.lookup());
    if (!input.present() && !rewrite) {
      return;
    }
    Map<String, Holder> answered = new HashMap<>();
    for (Map.Entry<String, Holder> entry : holders.entries()) {
      Holder holder = entry.getValue();
      answer(input.lookup(), holder.table, entry.getKey(), holder.sequenceNumber, input.values());
      if (holder.waitsUntil == 0) {
        rewritten.inc();
      } else {
        answered.put(entry.getKey(), new Holder(holder.table, holder.sequenceNumber, 0));
      }
    }
    if (!rewrite) {
      holders.clear();
    } else if (!answered.isEmpty()) {
      // State would keep an entry of none.
      holders.putAll(answered);
    }
  }

  private void answer(String lookup, String table, String row, long sequenceNumber, String values) {
    output.collect(
        new StreamRecord<>(
            Either.Right(new LookupAnswer(lookup, table, row, sequenceNumber, values))));
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    Map<String, Holder> due = new HashMap<>();
    for (Map.Entry<String, Holder> entry : holders.entries()) {
      long until = entry.getValue().waitsUntil;
      if (until != 0 && until <= timer.getTimestamp()) {
        due.put(entry.getKey(), entry.getValue());
      }
    }
    if (due.isEmpty()) {
      return;
    }
    if (!snapshotDone) {
      timers.registerProcessingTimeTimer(
          VoidNamespace.INSTANCE, timers.currentProcessingTime() + SNAPSHOT_MILLIS);
      return;
    }
    String lookup = timer.getKey().substring(0, timer.getKey().indexOf('/'));
    for (Map.Entry<String, Holder> entry : due.entrySet()) {
      Holder holder = entry.getValue();
      missed.inc();
      holders.put(entry.getKey(), new Holder(holder.table, holder.sequenceNumber, 0));
      answer(lookup, holder.table, entry.getKey(), holder.sequenceNumber, null);
    }
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("look-up sets no event-time timers");
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record) {
    if (record.getValue().isLeft()) {
      snapshotDone = record.getValue().left().snapshotDone();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (String key : deleted) {
      setCurrentKey(key);
      Reference known = reference.value();
      if (known != null && known.values == null) {
        reference.clear();
      }
    }
    deleted.clear();
  }
}
