package io.experimentetl.stats;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentAllocation;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.MetricKey;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code experiment-health}: counts assigned, exposed and crossover users and adds up the metrics
 * per experiment, and judges each experiment's health. Changed rows are sent just before each
 * barrier. A symptom that {@link HealthChecks} finds opens a finding, and closes it when it is
 * gone.
 *
 * <p>Experiments and variants are broadcast. Each subtask checks the experiments whose key it owns,
 * also those without a contribution: after a change of them, and when time alone may change the
 * verdict. Time is commit time, so that a restart decides in the same way. Nothing is checked
 * before the initial snapshot is read, and no experiment at a barrier inside of a transaction: a
 * part of one bulk INSERT that is sorted by variant looks like a mismatch.
 */
public final class ExperimentHealthOperator
    extends AbstractStreamOperator<Either<ProgressMarker, ExperimentHealth>>
    implements TwoInputStreamOperator<
        HealthContribution,
        Either<ProgressMarker, Change>,
        Either<ProgressMarker, ExperimentHealth>> {

  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<ProgressMarker, ExperimentHealth>> TYPE =
      TypeInformation.of(new TypeHint<>() {});
  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("health-findings", TypeInformation.of(new TypeHint<>() {}));

  public static final OutputTag<Either<ProgressMarker, ExperimentAllocation>> ALLOCATIONS =
      new OutputTag<>("allocations", TypeInformation.of(new TypeHint<>() {}));

  private static final ValueStateDescriptor<HealthState> STATE =
      new ValueStateDescriptor<>("health", TypeInformation.of(HealthState.class));
  private static final MapStateDescriptor<Long, ExperimentRun> EXPERIMENTS =
      new MapStateDescriptor<>("runs", Types.LONG, TypeInformation.of(ExperimentRun.class));

  /** The key of findings about the pipeline, in place of an experiment's id. */
  private static final long PIPELINE = Long.MIN_VALUE;

  private static final ProgressMarker NO_MARKER = new ProgressMarker(0, 0, 0, false, false);

  private final FindingsConfig findings;
  private final StatisticsConfig statistics;
  private final HashMap<Long, AllocationHistory> knownAllocations;
  private final HashMap<Long, Long> correctedAllocations;

  private transient ValueState<HealthState> state;
  private transient VariantState variants;
  private transient BroadcastState<Long, ExperimentRun> experiments;
  private transient AllocationState allocations;
  private transient Map<Long, NavigableMap<HealthKey, HealthCounts>> unsent;
  private transient Map<Long, Map<MetricKey, MetricTotals>> unsentMetrics;
  private transient Set<Long> changedVariants;
  private transient Set<Long> changed;
  private transient Map<Long, Long> nextJudgementAt;
  private transient boolean allAreDue;
  private transient ProgressMarker marker;
  private transient boolean markerArrived;
  private transient VisibleMarker visible;
  private transient FindingReporter reporter;

  public ExperimentHealthOperator(FindingsConfig findings, StatisticsConfig statistics) {
    this(findings, statistics, Map.of(), Map.of());
  }

  /**
   * The operator.
   *
   * @param knownAllocations phases of allocations that an older warehouse knows, by experiment; a
   *     start with state does not need them
   * @param correctedAllocations experiments whose present weights hold for all their users, each
   *     with a number that is greater than that of an earlier correction of the experiment
   */
  public ExperimentHealthOperator(
      FindingsConfig findings,
      StatisticsConfig statistics,
      Map<Long, AllocationHistory> knownAllocations,
      Map<Long, Long> correctedAllocations) {
    this.findings = findings;
    this.statistics = statistics;
    this.knownAllocations = new HashMap<>(knownAllocations);
    this.correctedAllocations = new HashMap<>(correctedAllocations);
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    variants = new VariantState(getOperatorStateBackend());
    experiments = getOperatorStateBackend().getBroadcastState(EXPERIMENTS);
    allocations = new AllocationState(getOperatorStateBackend());
    if (!context.isRestored()) {
      allocations.carryOver(knownAllocations);
    }
    allocations.correct(correctedAllocations);
  }

  @Override
  public void open() throws Exception {
    super.open();
    state = getPartitionedState(STATE);
    unsent = new HashMap<>();
    unsentMetrics = new HashMap<>();
    changedVariants = new HashSet<>();
    changed = new HashSet<>();
    nextJudgementAt = new HashMap<>();
    allAreDue = true;
    marker = NO_MARKER;
    visible = new VisibleMarker();
    MetricGroup metrics = MetricScope.of(getMetricGroup());
    metrics.gauge(
        "visible_lag_seconds", () -> visible.lagMillis(System.currentTimeMillis()) / 1000.0);
    reporter =
        new FindingReporter(
            output,
            FINDINGS,
            metrics,
            EnumSet.of(
                FindingCode.H_SRM,
                FindingCode.H_CROSSOVER_RATE,
                FindingCode.H_MISSING_VARIANT,
                FindingCode.H_NO_EXPOSURES,
                FindingCode.H_METRIC_MISSING,
                FindingCode.H_VOLUME,
                FindingCode.H_FRESHNESS,
                FindingCode.H_OUTLIER,
                FindingCode.R_NO_CONTROL,
                FindingCode.R_MULTI_CONTROL,
                FindingCode.R_ALLOCATION_SUM,
                FindingCode.R_ALLOCATION_CHANGED));
  }

  @Override
  public void processElement1(StreamRecord<HealthContribution> record) {
    HealthContribution contribution = record.getValue();
    long experimentId = contribution.experimentId();
    if (contribution.key() != null) {
      unsent
          .computeIfAbsent(experimentId, id -> new TreeMap<>(HealthLedger.ORDER))
          .merge(contribution.key(), contribution.counts(), HealthCounts::plus);
    } else {
      unsentMetrics
          .computeIfAbsent(experimentId, id -> new HashMap<>())
          .merge(contribution.metric(), contribution.totals(), MetricTotals::plus);
    }
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record)
      throws Exception {
    if (record.getValue().isLeft()) {
      marker = record.getValue().left();
      markerArrived = true;
      visible.arrived(marker);
      return;
    }
    Change change = record.getValue().right();
    boolean gone = change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE;
    if (change.table() == SourceTable.VARIANTS) {
      VariantRow row = (VariantRow) (gone ? change.before() : change.after());
      VariantWeight old = variants.get(row.id());
      if (old != null) {
        changedVariants.add(old.experimentId());
      }
      changedVariants.add(row.experimentId());
      allocations.apply(change, row, old);
      if (gone) {
        variants.remove(row.id());
      } else {
        variants.put(
            row.id(), new VariantWeight(row.experimentId(), row.allocation(), row.control()));
      }
    } else if (change.table() == SourceTable.EXPERIMENTS) {
      ExperimentRow row = (ExperimentRow) (gone ? change.before() : change.after());
      changed.add(row.id());
      if (gone) {
        experiments.remove(row.id());
        allocations.remove(row.id());
      } else {
        experiments.put(
            row.id(),
            ExperimentRun.of(
                row,
                statistics.zone(),
                change.position().committedAt(),
                experiments.get(row.id())));
      }
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    for (long experimentId : due()) {
      setCurrentKey(experimentId);
      update(experimentId);
    }
    unsent.clear();
    unsentMetrics.clear();
    changedVariants.clear();
    allocations.clear();
    changed.clear();
    visible.checkpointBegins(checkpointId, marker);
    if (isJudging()) {
      allAreDue = false;
    }
    if (isBehindSnapshot() && isOwned(PIPELINE)) {
      setCurrentKey(PIPELINE);
      judgePipeline();
    }
    if (markerArrived) {
      output.collect(new StreamRecord<>(Either.Left(marker)));
      output.collect(ALLOCATIONS, new StreamRecord<>(Either.Left(marker)));
      reporter.progress(marker);
    }
  }

  /** A marker without a commit time is in the snapshot, or directly after it. */
  private boolean isBehindSnapshot() {
    return marker.snapshotDone() && marker.committedAt() > 0;
  }

  private boolean isJudging() {
    return isBehindSnapshot() && !marker.inTransaction();
  }

  private boolean isOwned(long experimentId) {
    TaskInfo task = getRuntimeContext().getTaskInfo();
    return KeyGroupRangeAssignment.assignKeyToParallelOperator(
            experimentId, task.getMaxNumberOfParallelSubtasks(), task.getNumberOfParallelSubtasks())
        == task.getIndexOfThisSubtask();
  }

  /** The experiments to update now, among those that this subtask owns. */
  private Set<Long> due() throws Exception {
    Set<Long> due = new TreeSet<>(changed);
    due.addAll(changedVariants);
    due.addAll(allocations.corrected());
    if (isJudging()) {
      nextJudgementAt.forEach(
          (experimentId, at) -> {
            if (at <= marker.committedAt()) {
              due.add(experimentId);
            }
          });
      if (allAreDue) {
        for (Map.Entry<Long, ExperimentRun> known : experiments.immutableEntries()) {
          due.add(known.getKey());
        }
        try (Stream<Long> keys =
            this.<Long>getKeyedStateBackend().getKeys(STATE.getName(), VoidNamespace.INSTANCE)) {
          keys.forEach(due::add);
        }
        due.remove(PIPELINE);
      }
    }
    due.removeIf(experimentId -> !isOwned(experimentId));
    due.addAll(unsent.keySet());
    due.addAll(unsentMetrics.keySet());
    return due;
  }

  /** Restates the experiment's rows and judges it; the current key is the experiment. */
  private void update(long experimentId) throws Exception {
    HealthState old = state.value() == null ? HealthState.EMPTY : state.value();
    HealthLedger ledger = HealthLedger.of(experimentId, old);
    NavigableMap<HealthKey, HealthCounts> changes =
        unsent.getOrDefault(experimentId, Collections.emptyNavigableMap());
    ledger.add(changes);
    ledger.addMetrics(unsentMetrics.getOrDefault(experimentId, Map.of()));
    Map<Long, VariantWeight> ofExperiment = variants.of(experimentId);
    long version = FindingVersions.atMarker(old.version(), marker.sequenceNumber());
    NavigableSet<Integer> restated = daysToRestate(experimentId, ledger, changes);
    Map<Long, Double> weights = HealthChecks.weights(ofExperiment);
    AllocationHistory allocation = allocations.of(experimentId);
    long allocationsSent = sendAllocations(experimentId, old, version);
    for (int day : restated) {
      RowVersion ofRow =
          new RowVersion(
              marker.lsn(), marker.committedAt(), version, !ledger.days().contains(day), "");
      output.collect(
          new StreamRecord<>(Either.Right(ledger.asOf(day, weights, allocation, ofRow))));
    }
    HealthVerdict[] verdicts = old.verdicts();
    int judgedPhase = old.allocationPhase();
    boolean reported = allocationsSent != old.allocationsSent();
    ExperimentRun run = experiments.get(experimentId);
    if (isJudging()) {
      List<Symptom> symptoms =
          HealthChecks.of(
              experimentId,
              run,
              ofExperiment,
              allocation,
              ledger,
              marker.committedAt(),
              findings,
              statistics);
      HealthVerdicts judged = judge(verdicts, symptoms, experimentId, version);
      reported |= !judged.opened().isEmpty() || !judged.closed().isEmpty();
      verdicts = judged.kept();
      judgedPhase = allocation.last() == null ? 0 : allocation.last().number();
      reported |= reportAllocation(experimentId, allocation, old, ledger, version);
      long nextAt = Math.min(judged.nextAt(), HealthChecks.nextChangeAt(run, marker.committedAt()));
      if (nextAt == Long.MAX_VALUE) {
        nextJudgementAt.remove(experimentId);
      } else {
        nextJudgementAt.put(experimentId, nextAt);
      }
    } else {
      nextJudgementAt.put(experimentId, marker.committedAt());
    }
    if (run == null && ledger.isEmpty() && verdicts.length == 0) {
      state.clear();
    } else {
      boolean sent = reported || !restated.isEmpty();
      state.update(
          ledger.toState(verdicts, judgedPhase, allocationsSent, sent ? version : old.version()));
    }
  }

  /** Returns the greatest sequence number of a phase that was sent. */
  private long sendAllocations(long experimentId, HealthState old, long version) throws Exception {
    RowVersion ofRow = new RowVersion(marker.lsn(), marker.committedAt(), version, false, "");
    long sent = old.allocationsSent();
    for (ExperimentAllocation row : allocations.rows(experimentId, sent, ofRow)) {
      output.collect(ALLOCATIONS, new StreamRecord<>(Either.Right(row)));
      sent = row.version().deleted() ? sent : Math.max(sent, row.phase().fromSequence());
    }
    return sent;
  }

  /** Reports a phase that began since the last judgement, where users were assigned before. */
  private boolean reportAllocation(
      long experimentId,
      AllocationHistory allocation,
      HealthState old,
      HealthLedger ledger,
      long version) {
    AllocationPhase last = allocation.last();
    if (last == null || last.number() == old.allocationPhase()) {
      return false;
    }
    AllocationPhase before = allocation.phase(ledger.phaseWithUsersBefore(last.number()));
    if (before == null) {
      return false;
    }
    report(
        FindingCode.R_ALLOCATION_CHANGED,
        Subject.experiment(experimentId),
        true,
        "from %s to %s".formatted(Allocations.text(before), Allocations.text(last)),
        experimentId,
        version);
    return true;
  }

  private NavigableSet<Integer> daysToRestate(
      long experimentId, HealthLedger ledger, NavigableMap<HealthKey, HealthCounts> changes) {
    NavigableSet<Integer> days = new TreeSet<>(ledger.days());
    if (allocations.corrected().contains(experimentId)) {
      return days;
    }
    if (!changes.isEmpty()) {
      changes.keySet().forEach(key -> days.add(key.dayEpoch()));
      return days.tailSet(changes.firstKey().dayEpoch(), true);
    }
    // The row of the last day is the present one, with the present weights.
    boolean reweighed = changedVariants.contains(experimentId) && !days.isEmpty();
    return reweighed ? days.tailSet(days.last(), true) : new TreeSet<>();
  }

  /** Reports the symptoms that have opened and closed. */
  private HealthVerdicts judge(
      HealthVerdict[] before, List<Symptom> symptoms, long experimentId, long version) {
    HealthVerdicts judged =
        HealthVerdicts.of(
            before, symptoms, marker.committedAt(), findings.grace().toMillis() * 1000);
    for (Symptom symptom : judged.opened()) {
      report(symptom.code(), symptom.subject(), true, symptom.detail(), experimentId, version);
    }
    for (HealthVerdict verdict : judged.closed()) {
      report(verdict.code(), verdict.subject(), false, "no longer so", experimentId, version);
    }
    return judged;
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    visible.checkpointCompleted(checkpointId);
  }

  /**
   * Reports when visible rows lag: by the commit time of the last progress marker whose checkpoint
   * is complete, and this machine's clock. The heartbeat moves the marker of an idle source. A
   * report is visible with its checkpoint; until then {@code findings_open} computes it.
   */
  private void judgePipeline() throws Exception {
    HealthState old = state.value() == null ? HealthState.EMPTY : state.value();
    long lagMillis = visible.lagMillis(getProcessingTimeService().getCurrentProcessingTime());
    List<Symptom> symptoms =
        lagMillis > findings.health().freshness().toMillis()
            ? List.of(
                Symptom.of(
                    FindingCode.H_FRESHNESS,
                    Subject.pipeline(),
                    "%d seconds".formatted(lagMillis / 1000)))
            : List.of();
    long version = FindingVersions.atMarker(old.version(), marker.sequenceNumber());
    HealthVerdicts judged = judge(old.verdicts(), symptoms, 0, version);
    if (!judged.opened().isEmpty() || !judged.closed().isEmpty()) {
      state.update(HealthLedger.of(PIPELINE, old).toState(judged.kept(), 0, -1, version));
    }
  }

  private void report(
      FindingCode code,
      Subject subject,
      boolean open,
      String detail,
      long experimentId,
      long version) {
    reporter.report(
        Finding.of(code, subject, open)
            .inExperiment(experimentId)
            .detail(detail)
            .at(marker.committedAt(), marker.lsn(), version));
  }
}
