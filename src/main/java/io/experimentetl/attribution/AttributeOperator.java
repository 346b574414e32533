package io.experimentetl.attribution;

import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import io.experimentetl.model.Subject;
import io.experimentetl.model.TransactionEnd;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.warehouse.RawEvents;
import io.experimentetl.warehouse.WarehouseEvents;
import java.time.Duration;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ScheduledFuture;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;

/**
 * {@code attribute}: keyed by user, with the dimensions broadcast to it. It holds the users' facts,
 * sets the timers of pending facts, and routes what {@link UserAttribution} decides: event rows to
 * the main output, everything else to side outputs. Differences of the statistics are added up on
 * the heap and sent just before each barrier.
 *
 * <p>Long because all parts of a user's attribution meet Flink's state, timers and outputs here.
 */
public final class AttributeOperator
    extends AbstractStreamOperator<Either<ProgressMarker, EventProcessed>>
    implements TwoInputStreamOperator<
            Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>,
        Triggerable<String, VoidNamespace>,
        AttributionOutput {

  private static final long serialVersionUID = 1L;

  public static final TypeInformation<Either<ProgressMarker, EventProcessed>> EVENTS_TYPE =
      TypeInformation.of(new TypeHint<>() {});
  public static final OutputTag<Either<ProgressMarker, AssignmentProcessed>> ASSIGNMENTS =
      new OutputTag<>("assignments", TypeInformation.of(new TypeHint<>() {}));
  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("findings", TypeInformation.of(new TypeHint<>() {}));
  public static final OutputTag<TruncatedUser> TRUNCATED_USERS =
      new OutputTag<>("truncated-users", TypeInformation.of(TruncatedUser.class));

  public static final OutputTag<DailyContribution> CONTRIBUTIONS =
      new OutputTag<>("contributions", TypeInformation.of(DailyContribution.class));
  public static final OutputTag<HealthContribution> HEALTH =
      new OutputTag<>("health", TypeInformation.of(HealthContribution.class));

  public static final OutputTag<ChangedRows> CHANGED =
      new OutputTag<>("changed-rows", TypeInformation.of(ChangedRows.class));

  private static final ListStateDescriptor<AttributeProgress> PROGRESS =
      new ListStateDescriptor<>("progress", TypeInformation.of(AttributeProgress.class));

  /** Timers are set to whole seconds, so that many facts share one. */
  private static final long TIMER_MILLIS = 1000;

  /** The part of the heap that the users' facts of all subtasks together may take: one in four. */
  private static final int CACHE_SHARE_OF_HEAP = 4;

  /**
   * A user's events in an experiment are in one record up to this size, and so are the figures. A
   * record is read and written whole.
   */
  private static final int MAX_BYTES_IN_RECORD = 2_048;

  /** Rows wait for this long while users of an edited experiment are counted again. */
  private static final long WALK_NANOS = Duration.ofMillis(40).toNanos();

  private static final long WALK_PAUSE_MILLIS = 5;

  /** A batch of rows that are read and written again takes about as long. */
  private static final long REJOIN_PAUSE_MILLIS = 50;

  /** Evictions wait for this long while rows arrive. */
  private static final long BUSY_PAUSE_MILLIS = 1_000;

  /**
   * After a restart with early writes, the time (by commit time) without evictions: ClickHouse may
   * show early rows of the run before that this run has not sent yet.
   */
  private static final long NO_EVICTION_MICROS = Duration.ofMinutes(10).toNanos() / 1000;

  private final JobConfig jobConfig;
  private final HashSet<String> restated;
  private final HashMap<Long, AllocationHistory> knownAllocations;
  private final RawEvents.Source rawEvents;
  private final long walkNanos;

  private transient ListState<AttributeProgress> progressState;
  private transient RestoredProgress restored;
  private transient Set<String> endedMetrics;

  /** The change of metrics since the savepoint, until it is reported; null: none. */
  private transient MetricChange metricChange;

  private transient InternalTimerService<VoidNamespace> timers;
  private transient DimensionState dimensionState;
  private transient UserIndexState index;
  private transient UserStore users;
  private transient RowVersionGenerator versions;
  private transient UserAttribution attribution;
  private transient VisibleProgress progress;
  private transient WarehouseFacts evictedFacts;
  private transient EvictionWalk evictions;
  private transient RenamedUsers renamedUsers;
  private transient RejoinWalk rejoins;
  private transient UserBatches userBatches;
  private transient DimensionWalk walk;

  /** For the next slice of {@link #walk}; null: none is set. */
  private transient ScheduledFuture<?> walkTimer;

  /** For the next slice of {@link #evictions}; null: none is set. */
  private transient ScheduledFuture<?> evictionTimer;

  /** Whether a row has arrived since the last slice of {@link #evictions}. */
  private transient boolean hasRows;

  private transient RehydratedUsers rehydratedUsers;
  private transient RecentAssignments recentAssignments;
  private transient ContributionBuffer contributions;
  private transient FindingReporter findings;
  private transient MetricGroup scope;
  private transient Counter rehydratedExperiments;

  public AttributeOperator(JobConfig jobConfig) {
    this(jobConfig, Set.of(), Map.of());
  }

  /**
   * The operator.
   *
   * @param restated names of metrics whose days may be restated from the raw rows
   * @param knownAllocations phases of allocations that an older warehouse knows, by experiment; a
   *     start with state does not need them
   */
  public AttributeOperator(
      JobConfig jobConfig, Set<String> restated, Map<Long, AllocationHistory> knownAllocations) {
    this(jobConfig, restated, knownAllocations, () -> WarehouseEvents.open(jobConfig), WALK_NANOS);
  }

  AttributeOperator(JobConfig jobConfig, long walkNanos) {
    this(jobConfig, Set.of(), Map.of(), () -> WarehouseEvents.open(jobConfig), walkNanos);
  }

  AttributeOperator(JobConfig jobConfig, Set<String> restated, RawEvents.Source rawEvents) {
    this(jobConfig, restated, Map.of(), rawEvents, WALK_NANOS);
  }

  private AttributeOperator(
      JobConfig jobConfig,
      Set<String> restated,
      Map<Long, AllocationHistory> knownAllocations,
      RawEvents.Source rawEvents,
      long walkNanos) {
    this.walkNanos = walkNanos;
    this.jobConfig = jobConfig;
    this.knownAllocations = new HashMap<>(knownAllocations);
    this.restated = new HashSet<>(restated);
    this.rawEvents = rawEvents;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    StatisticsConfig statistics = jobConfig.statistics();
    dimensionState =
        new DimensionState(
            getOperatorStateBackend().getBroadcastState(DimensionState.EXPERIMENTS),
            getOperatorStateBackend().getBroadcastState(DimensionState.VARIANTS),
            getOperatorStateBackend().getBroadcastState(DimensionState.ALLOCATIONS),
            getOperatorStateBackend().getBroadcastState(DimensionState.VERSIONS),
            statistics.zone());
    if (!context.isRestored()) {
      dimensionState.carryOver(knownAllocations);
    }
    progressState = getOperatorStateBackend().getUnionListState(PROGRESS);
    try {
      restored = RestoredProgress.of(progressState.get(), statistics);
      endedMetrics = new TreeSet<>(restored.endedMetrics());
      if (restored.otherStatistics() != null) {
        metricChange =
            MetricChange.between(
                restored.otherStatistics(),
                statistics,
                restated,
                endedMetrics,
                restored.seenUntil());
        endedMetrics.addAll(metricChange.ended());
      }
    } catch (IllegalStateException refused) {
      throw new SuppressRestartsException(refused);
    }
    for (AttributeProgress subtask : progressState.get()) {
      dimensionState.missing().addAll(subtask);
    }
    versions =
        new RowVersionGenerator(
            restored.greatestSequenceNumber(),
            restored.lastFinding(),
            getRuntimeContext().getTaskInfo().getIndexOfThisSubtask());
  }

  @Override
  public void open() throws Exception {
    super.open();
    scope = MetricScope.of(getMetricGroup());
    timers = getInternalTimerService("decisions", VoidNamespaceSerializer.INSTANCE, this);
    long now = timers.currentProcessingTime();
    TaskInfo task = getRuntimeContext().getTaskInfo();
    index =
        new UserIndexState(
            getKeyedStateBackend(),
            this::getOrCreateKeyedState,
            KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(
                task.getMaxNumberOfParallelSubtasks(),
                task.getNumberOfParallelSubtasks(),
                task.getIndexOfThisSubtask()),
            task.getMaxNumberOfParallelSubtasks());
    users =
        new UserStore(
            getKeyedStateBackend(),
            new UserStates(this::getOrCreateKeyedState),
            index,
            Runtime.getRuntime().maxMemory()
                / CACHE_SHARE_OF_HEAP
                / task.getNumberOfParallelSubtasks(),
            MAX_BYTES_IN_RECORD,
            scope.counter("spilled_rows_total"),
            scope.counter("undecided_rows_total"));
    contributions =
        new ContributionBuffer(
            contribution -> output.collect(CONTRIBUTIONS, new StreamRecord<>(contribution)),
            contribution -> output.collect(HEALTH, new StreamRecord<>(contribution)),
            rows -> output.collect(CHANGED, new StreamRecord<>(rows)));
    rehydratedUsers = new RehydratedUsers();
    recentAssignments = new RecentAssignments();
    openAttribution(now);
    openEviction(now);
    registerMetrics();
    if (metricChange != null && metricChange.restates()) {
      restateMetrics();
    }
    scheduleWalk();
  }

  private void openAttribution(long now) {
    PendingLowWatermark lowWatermark = new PendingLowWatermark();
    scope.gauge("pending_rows", lowWatermark::rows);
    scope.gauge("erased_user_rows_total", () -> attribution.rowsOfErasedUsers());
    progress =
        new VisibleProgress(
            lowWatermark,
            restored.visible(),
            now + jobConfig.findings().grace().toMillis() + 2 * TIMER_MILLIS);
    evictedFacts = warehouseFacts(jobConfig.statistics());
    userBatches = new UserBatches(users, evictedFacts);
    attribution =
        new UserAttribution(
            jobConfig,
            dimensionState.dimensions(),
            dimensionState.missing(),
            versions,
            lowWatermark,
            users,
            users,
            evictedFacts,
            this);
    users.settleBy(attribution::settle);
    walk =
        new DimensionWalk(
            index, dimensionState.dimensions(), lowWatermark, userBatches, this::applyDimensions);
    scope.gauge("unfinished_edits", walk::size);
    walk.restore(restored.edits());
    rejoins = new RejoinWalk(index, users, userBatches, evictedFacts, lowWatermark, rejoinVisit());
    scope.gauge("unfinished_rejoins", rejoins::size);
    rejoins.restore(restored.rejoins());
    renamedUsers = new RenamedUsers(attribution, users, evictedFacts, lowWatermark);
    scope.gauge("unmoved_users", renamedUsers::size);
    restored.truncates().forEach(attribution.truncates()::add);
    attribution
        .grace()
        .setInSnapshot(restored.visible() == null || !restored.visible().snapshotDone());
  }

  private void openEviction(long now) {
    boolean earlyRowsMayBeVisible =
        restored.visible() != null && jobConfig.delivery().mode() == DeliveryMode.LOW_LATENCY;
    evictions =
        new EvictionWalk(
            new Eviction(
                dimensionState.dimensions(),
                jobConfig.statistics(),
                jobConfig.state().evictAfter(),
                RetentionPeriods.of(jobConfig),
                SharedFacts.of(jobConfig)),
            evictedFacts,
            users,
            index,
            versions,
            earlyRowsMayBeVisible ? now * 1000 + NO_EVICTION_MICROS : Long.MIN_VALUE,
            scope.counter("evicted_experiments_total"));
  }

  private void registerMetrics() {
    findings = new FindingReporter(output, FINDINGS, scope, EnumSet.allOf(FindingCode.class));
    rehydratedExperiments = scope.counter("rehydrated_experiments_total");
    scope.gauge("cached_users", () -> users.cachedUsers());
  }

  private WarehouseFacts warehouseFacts(StatisticsConfig statistics) {
    return new WarehouseFacts(
        rawEvents,
        new EventChecks(statistics, jobConfig.findings()),
        jobConfig.clickhouse().commitDeadline());
  }

  private void restateMetrics() throws Exception {
    try (RawEvents rows = rawEvents.open();
        WarehouseFacts evicted = warehouseFacts(metricChange.both())) {
      new MetricRestatement(
              metricChange,
              dimensionState.dimensions(),
              attribution.statistics(),
              rows,
              evicted,
              jobConfig.clickhouse().commitDeadline(),
              this,
              SharedFacts.of(jobConfig))
          .apply(users);
    }
  }

  @Override
  public void processElement1(StreamRecord<Change> record) throws Exception {
    Change change = record.getValue();
    if (change.after() instanceof TransactionEnd end) {
      if (change.kind() == ChangeKind.COMMIT) {
        endTransaction(end);
      } else {
        attribution.truncate(change);
      }
      return;
    }
    hasRows = true;
    recentAssignments.add((String) getCurrentKey(), change);
    UserFacts user = users.load((String) getCurrentKey());
    attribution.apply(user, change, timers.currentProcessingTime());
    markChanged(user);
  }

  private void endTransaction(TransactionEnd end) throws Exception {
    for (String key : end.ofAllUsers() ? users.undecidedUsers() : List.of(end.userKey())) {
      UserFacts user = users.load(key);
      attribution.endTransaction(user, timers.currentProcessingTime());
      setCurrentKey(key);
      markChanged(user);
    }
    if (!attribution.truncates().isEmpty()) {
      applyTruncates();
    }
  }

  private void applyTruncates() throws Exception {
    users.flush();
    userBatches.visit(
        users.batches(),
        attribution::truncates,
        (key, user) -> {
          setCurrentKey(key);
          attribution.applyTruncates(user, timers.currentProcessingTime());
          markChanged(user);
        });
    attribution.truncates().clear();
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    UserFacts user = users.load(timer.getKey());
    user.timerAt = Long.MAX_VALUE;
    attribution.applyDue(user, timer.getTimestamp());
    markChanged(user);
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("attribute sets no event-time timers");
  }

  /**
   * Sets the user's next timer, and marks the user's facts as changed. The user must be the current
   * key. Another user may be the current key afterwards.
   */
  private void markChanged(UserFacts user) throws Exception {
    long now = timers.currentProcessingTime();
    // A restart learns by its timer that facts of the user are to be moved.
    long decideAt = user.hasUnmoved() ? now : attribution.grace().timerFor(user, now);
    if (decideAt != Long.MAX_VALUE) {
      long timerAt = (decideAt / TIMER_MILLIS + 1) * TIMER_MILLIS;
      if (timerAt < user.timerAt) {
        timers.registerProcessingTimeTimer(VoidNamespace.INSTANCE, timerAt);
        user.timerAt = timerAt;
      }
    }
    renamedUsers.changed(user);
    users.changed(user);
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record)
      throws Exception {
    if (record.getValue().isLeft()) {
      progress.advance(record.getValue().left());
      attribution.grace().setInSnapshot(!progress.marker().snapshotDone());
      return;
    }
    Change change = record.getValue().right();
    if (dimensionState.isConcernedBy(change)) {
      // What was changed before the edit is counted by the dimensions before it.
      users.flush();
    }
    DimensionState.Effect effect = dimensionState.apply(change);
    if (effect.isAwaited()) {
      attribution.resolveOrphans(change);
    }
    for (long experimentId : effect.reallocated()) {
      Edit edit =
          new Edit(experimentId, Origin.of(change), effect.before().experiment(experimentId));
      dimensionState.dimensions().remember(experimentId, effect.before());
      userBatches.visit(
          recentAssignments.behind(experimentId, change.sequenceNumber(), users),
          summary -> summary.experimentId() == experimentId,
          (key, user) -> applyDimensions(key, user, edit));
      dimensionState.dimensions().forget(experimentId, effect.before().versionOf(experimentId));
    }
    for (long experimentId : effect.restated()) {
      walk.begin(experimentId, Origin.of(change), effect.before(), effect.isAwaited());
    }
    for (long experimentId : effect.rejoined()) {
      rejoins.begin(experimentId, Origin.of(change));
    }
    walkOn();
  }

  private RejoinWalk.Visit rejoinVisit() {
    RejoinedFacts rejoined = attribution.rejoined();
    return new RejoinWalk.Visit() {
      @Override
      public boolean prepare(String key, UserFacts user, long experimentId) throws Exception {
        setCurrentKey(key);
        boolean isReady = rejoined.prepare(user, experimentId);
        markChanged(user);
        return isReady;
      }

      @Override
      public void event(String key, UserFacts user, EventRow row, RawEvents.Stored stored) {
        setCurrentKey(key);
        rejoined.event(user, row, stored);
        users.changed(user);
      }

      @Override
      public void assignment(
          String key, UserFacts user, AssignmentRow row, RawEvents.Stored stored) {
        setCurrentKey(key);
        rejoined.assignment(user, row, stored);
        users.changed(user);
      }
    };
  }

  private void applyDimensions(String key, UserFacts user, Edit edit) throws Exception {
    setCurrentKey(key);
    attribution.applyDimensions(user, edit, timers.currentProcessingTime());
    markChanged(user);
  }

  /** Counts users of edited experiments again for a moment, and sets a timer for the others. */
  private void walkOn() throws Exception {
    walk.step(walkNanos);
    if (walk.size() == 0 && rejoins.isDue()) {
      users.flush();
      rejoins.step(walkNanos);
    }
    scheduleWalk();
  }

  /** Sets a timer for the next slice of evictions: soon while no rows arrive. */
  private void scheduleEviction() {
    if (evictions.isRunning() && evictionTimer == null) {
      long pause = hasRows ? BUSY_PAUSE_MILLIS : WALK_PAUSE_MILLIS;
      hasRows = false;
      evictionTimer =
          getProcessingTimeService()
              .registerTimer(
                  getProcessingTimeService().getCurrentProcessingTime() + pause,
                  now -> {
                    evictionTimer = null;
                    if (evictions.isRunning()) {
                      users.flush();
                      evictions.slice(walkNanos, now);
                    }
                    scheduleEviction();
                  });
    }
  }

  private void scheduleWalk() {
    if ((walk.size() > 0 || rejoins.isDue()) && walkTimer == null) {
      walkTimer =
          getProcessingTimeService()
              .registerTimer(
                  getProcessingTimeService().getCurrentProcessingTime()
                      + (walk.size() > 0 ? WALK_PAUSE_MILLIS : REJOIN_PAUSE_MILLIS),
                  now -> {
                    walkTimer = null;
                    walkOn();
                  });
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    long now = timers.currentProcessingTime();
    recentAssignments.clear();
    users.flush();
    renamedUsers.step(progress.marker(), now);
    users.flush();
    evictions.step(progress.marker(), now);
    users.flush();
    scheduleEviction();
    rehydratedUsers.checkpointBegins(checkpointId);
    reportMetricChange();
    contributions.flush();
    findings.beforeCheckpoint();
    if (progress.marker() != null) {
      ProgressMarker visible = progress.at(now);
      output.collect(new StreamRecord<>(Either.Left(visible)));
      output.collect(ASSIGNMENTS, new StreamRecord<>(Either.Left(visible)));
      findings.progress(visible);
    }
  }

  /** Reports the change of metrics once, by the first subtask. */
  private void reportMetricChange() {
    boolean isFirst = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0;
    if (metricChange != null && isFirst) {
      for (MetricConfig metric : metricChange.after().metrics()) {
        reportMetric(
            FindingCode.M_STARTED,
            metric.name(),
            "counted for users first exposed on or after " + metric.since());
      }
      for (String metric : metricChange.ended()) {
        reportMetric(FindingCode.M_ENDED, metric, "no longer counted; its days stay as they were");
      }
    }
    metricChange = null;
  }

  private void reportMetric(FindingCode code, String metric, String detail) {
    finding(
        Finding.opened(code, Subject.metric(metric))
            .detail(detail)
            .at(restored.seenUntil(), versions.greatestSequenceNumber(), versions.nextFinding()));
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    MissingReferences missing = dimensionState.missing();
    progressState.update(
        List.of(
            new AttributeProgress(
                versions.greatestSequenceNumber(),
                versions.lastFinding(),
                progress.at(timers.currentProcessingTime()),
                missing.experiments.stream().mapToLong(Long::longValue).toArray(),
                missing.variants.stream().mapToLong(Long::longValue).toArray(),
                missing.deletedExperiments.stream().mapToLong(Long::longValue).toArray(),
                missing.deletedVariants.stream().mapToLong(Long::longValue).toArray(),
                SavedStatistics.write(jobConfig.statistics()),
                endedMetrics.toArray(String[]::new),
                attribution.truncates().all().toArray(Truncate[]::new),
                walk.toState(),
                rejoins.toState())));
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    rehydratedUsers.checkpointCompleted(checkpointId);
    renamedUsers.checkpointCompleted();
    rejoins.checkpointCompleted(walk::isOn);
    scheduleWalk();
  }

  @Override
  public void close() throws Exception {
    if (evictedFacts != null) {
      evictedFacts.close();
    }
    super.close();
  }

  @Override
  public void event(EventProcessed row) {
    EventProcessed sent =
        rehydratedUsers.contains(row.event().userId())
            ? row.withVersion(row.version().behindCheckpoint())
            : row;
    output.collect(new StreamRecord<>(Either.Right(sent)));
  }

  @Override
  public void assignment(AssignmentProcessed row) {
    AssignmentProcessed sent =
        rehydratedUsers.contains(row.assignment().userId())
            ? row.withVersion(row.version().behindCheckpoint())
            : row;
    output.collect(ASSIGNMENTS, new StreamRecord<>(Either.Right(sent)));
  }

  @Override
  public void truncatedUser(TruncatedUser user) {
    output.collect(TRUNCATED_USERS, new StreamRecord<>(user));
  }

  @Override
  public void finding(Finding finding) {
    findings.report(finding);
  }

  @Override
  public void changedRows(ChangedRows rows) {
    contributions.add(rows);
  }

  @Override
  public void dailyDifference(String userKey, DailyKey key, DailySums difference, long dayEndsAt) {
    contributions.add(userKey, key, difference, dayEndsAt);
  }

  @Override
  public void healthDifference(HealthKey key, HealthCounts difference) {
    contributions.add(key, difference);
  }

  @Override
  public void rehydrated(String userId) {
    rehydratedExperiments.inc();
    rehydratedUsers.add(userId);
  }
}
