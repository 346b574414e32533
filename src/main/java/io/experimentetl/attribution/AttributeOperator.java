package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
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
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.warehouse.RawEvents;
import io.experimentetl.warehouse.WarehouseEvents;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.flink.api.common.state.BroadcastState;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.execution.SuppressRestartsException;
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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code attribute}: keyed by user, with the dimensions broadcast to it. It holds the users' facts,
 * sets the timers of what waits, and routes what {@link UserAttribution} decides: event rows to the
 * main output, all else to the side outputs. What adds up is added up on the heap and sent on just
 * before each barrier.
 */
public final class AttributeOperator
    extends AbstractStreamOperator<Either<ProgressMarker, EventProcessed>>
    implements TwoInputStreamOperator<
            Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>,
        Triggerable<String, VoidNamespace>,
        AttributionOutput,
        SpilledEvents {

  private static final long serialVersionUID = 1L;

  private static final Logger LOG = LoggerFactory.getLogger(AttributeOperator.class);

  public static final TypeInformation<Either<ProgressMarker, EventProcessed>> EVENTS_TYPE =
      TypeInformation.of(new TypeHint<>() {});
  public static final OutputTag<Either<ProgressMarker, AssignmentProcessed>> ASSIGNMENTS =
      new OutputTag<>("assignments", TypeInformation.of(new TypeHint<>() {}));
  public static final OutputTag<Either<ProgressMarker, Finding>> FINDINGS =
      new OutputTag<>("findings", TypeInformation.of(new TypeHint<>() {}));
  public static final OutputTag<DailyContribution> CONTRIBUTIONS =
      new OutputTag<>("contributions", TypeInformation.of(DailyContribution.class));
  public static final OutputTag<HealthContribution> HEALTH =
      new OutputTag<>("health", TypeInformation.of(HealthContribution.class));

  private static final ValueStateDescriptor<UserState> USER =
      new ValueStateDescriptor<>("user", TypeInformation.of(UserState.class));
  private static final MapStateDescriptor<Long, ExperimentDimension> EXPERIMENTS =
      new MapStateDescriptor<>(
          "experiments", Types.LONG, TypeInformation.of(ExperimentDimension.class));
  private static final MapStateDescriptor<Long, VariantDimension> VARIANTS =
      new MapStateDescriptor<>("variants", Types.LONG, TypeInformation.of(VariantDimension.class));
  private static final MapStateDescriptor<String, PendingEvent> SPILLED =
      new MapStateDescriptor<>(
          "spilled-events", Types.STRING, TypeInformation.of(PendingEvent.class));
  private static final ListStateDescriptor<AttributeProgress> PROGRESS =
      new ListStateDescriptor<>("progress", TypeInformation.of(AttributeProgress.class));

  /** Timers of one second are one timer. */
  private static final long TIMER_MILLIS = 1000;

  /** Of the heap, all subtasks together: what is not in use any more is written back in time. */
  private static final int CACHE_SHARE_OF_HEAP = 4;

  private static final int MAX_ACCUMULATED_KEYS = 50_000;

  /** Of so many users at once rows are read back, with ids of so many characters together. */
  private static final int READ_USERS = 500;

  private static final int READ_LENGTH = 20_000;

  /**
   * So long after a restart, by commit time, no facts settle where rows are written through: the
   * warehouse may show rows of the run before that have not come again here.
   */
  private static final long COMES_AGAIN_MICROS = Duration.ofMinutes(10).toNanos() / 1000;

  /** So many users at most are looked at before one barrier, whether they may settle. */
  private static final int SETTLING_USERS = 5_000;

  /**
   * Findings about more than one row are repeated by every such row: said once per checkpoint, they
   * are said.
   */
  private static final Set<FindingCode> OF_MANY_ROWS =
      EnumSet.of(
          FindingCode.T_LATE,
          FindingCode.S_UNKNOWN_EVENT_TYPE,
          FindingCode.R_ORPHAN_EXPERIMENT,
          FindingCode.R_ORPHAN_VARIANT,
          FindingCode.C_DELETE_RETENTION);

  private record DayTotal(DailySums sums, long dayEndsAt) {}

  private record Reported(FindingCode code, String subject, boolean open) {}

  private final JobConfig jobConfig;
  private final HashSet<String> restated;
  private final RawEvents.Source rawEvents;

  private transient ValueState<UserState> userState;
  private transient MapState<String, PendingEvent> spilledState;
  private transient BroadcastState<Long, ExperimentDimension> experimentState;
  private transient BroadcastState<Long, VariantDimension> variantState;
  private transient ListState<AttributeProgress> progressState;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient UserCache users;
  private transient Dimensions dimensions;
  private transient MissingReferences missing;
  private transient RowVersionGenerator versions;
  private transient PendingLowWatermark lowWatermark;
  private transient UserAttribution attribution;
  private transient ProgressMarker marker;
  private transient ProgressMarker restoredMarker;
  private transient long restoredFloorUntil;
  private transient Map<DailyKey, DayTotal> dailyTotals;
  private transient Map<HealthKey, HealthCounts> healthTotals;
  private transient Set<Reported> reported;
  private transient Map<FindingCode, Counter> findingCounters;
  private transient Counter spilledRows;
  private transient Set<String> endedMetrics;
  private transient long seenUntil;
  private transient WarehouseFacts evictedFacts;
  private transient Eviction eviction;
  private transient EvictionPasses evictionPasses;
  private transient long evictsFrom;

  /** Users that the pass has still to look at; null: there is none. */
  private transient Deque<String> unlooked;

  private transient boolean passEvictedSome;

  /**
   * Users with facts that were brought back, and the checkpoint that will hold these. A row written
   * through before it is complete might replace, when ClickHouse merges, the one by which a restart
   * from the checkpoint before it has to bring them back again.
   */
  private transient Map<String, Long> rehydrated;

  private transient Counter evictedExperiments;
  private transient Counter rehydratedExperiments;

  /** What is different from the savepoint, until it is told; null: nothing. */
  private transient MetricChange change;

  public AttributeOperator(JobConfig jobConfig) {
    this(jobConfig, Set.of());
  }

  /**
   * The operator.
   *
   * @param restated names of metrics whose days may be recounted from the raw rows
   */
  public AttributeOperator(JobConfig jobConfig, Set<String> restated) {
    this(jobConfig, restated, () -> WarehouseEvents.open(jobConfig.clickhouse()));
  }

  AttributeOperator(JobConfig jobConfig, Set<String> restated, RawEvents.Source rawEvents) {
    this.jobConfig = jobConfig;
    this.restated = new HashSet<>(restated);
    this.rawEvents = rawEvents;
  }

  @Override
  public void initializeState(StateInitializationContext context) throws Exception {
    super.initializeState(context);
    dimensions = new Dimensions(jobConfig.statistics().zone());
    missing = new MissingReferences();
    experimentState = getOperatorStateBackend().getBroadcastState(EXPERIMENTS);
    variantState = getOperatorStateBackend().getBroadcastState(VARIANTS);
    for (Map.Entry<Long, ExperimentDimension> entry : experimentState.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
    for (Map.Entry<Long, VariantDimension> entry : variantState.immutableEntries()) {
      dimensions.put(entry.getValue());
    }
    progressState = getOperatorStateBackend().getUnionListState(PROGRESS);
    long greatestSequenceNumber = 0;
    long lastFinding = 0;
    String otherStatistics = null;
    endedMetrics = new TreeSet<>();
    for (AttributeProgress before : progressState.get()) {
      if (!before.statistics().equals(jobConfig.statistics().toString())) {
        otherStatistics = before.statistics();
      }
      if (before.endedMetrics() != null) {
        endedMetrics.addAll(List.of(before.endedMetrics()));
      }
      seenUntil = Math.max(seenUntil, before.visible().committedAt());
      greatestSequenceNumber = Math.max(greatestSequenceNumber, before.greatestSequenceNumber());
      lastFinding = Math.max(lastFinding, before.lastFinding());
      for (long id : before.missingExperiments()) {
        missing.experiments.add(id);
      }
      for (long id : before.missingVariants()) {
        missing.variants.add(id);
      }
      if (restoredMarker == null || before.visible().lsn() < restoredMarker.lsn()) {
        restoredMarker = before.visible();
      }
    }
    versions =
        new RowVersionGenerator(
            greatestSequenceNumber,
            lastFinding,
            getRuntimeContext().getTaskInfo().getIndexOfThisSubtask());
    if (otherStatistics != null) {
      try {
        change =
            MetricChange.between(
                otherStatistics, jobConfig.statistics(), restated, endedMetrics, seenUntil);
      } catch (IllegalStateException refused) {
        throw new SuppressRestartsException(refused);
      }
      endedMetrics.addAll(change.ended());
    }
  }

  @Override
  public void open() throws Exception {
    super.open();
    userState = getPartitionedState(USER);
    spilledState = getPartitionedState(SPILLED);
    timers = getInternalTimerService("decisions", VoidNamespaceSerializer.INSTANCE, this);
    users =
        new UserCache(
            new UserCache.Store() {
              @Override
              public UserState read(String userId) throws IOException {
                setCurrentKey(userId);
                return userState.value();
              }

              @Override
              public void write(String userId, UserState state) throws IOException {
                setCurrentKey(userId);
                if (state == null) {
                  userState.clear();
                } else {
                  userState.update(state);
                }
              }
            },
            Runtime.getRuntime().maxMemory()
                / CACHE_SHARE_OF_HEAP
                / getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks());
    lowWatermark = new PendingLowWatermark();
    evictedFacts =
        new WarehouseFacts(
            rawEvents,
            new EventChecks(jobConfig.statistics(), jobConfig.findings()),
            jobConfig.clickhouse().commitDeadline());
    eviction = new Eviction(dimensions, jobConfig.statistics(), jobConfig.state().evictAfter());
    evictionPasses = new EvictionPasses();
    evictsFrom =
        restoredMarker != null && jobConfig.delivery().mode() == DeliveryMode.LOW_LATENCY
            ? timers.currentProcessingTime() * 1000 + COMES_AGAIN_MICROS
            : Long.MIN_VALUE;
    rehydrated = new HashMap<>();
    attribution =
        new UserAttribution(
            jobConfig, dimensions, missing, versions, lowWatermark, this, evictedFacts, this);
    attribution.inSnapshot = restoredMarker == null || !restoredMarker.snapshotDone();
    dailyTotals = new HashMap<>();
    healthTotals = new HashMap<>();
    reported = new HashSet<>();
    restoredFloorUntil =
        timers.currentProcessingTime() + jobConfig.findings().grace().toMillis() + 2 * TIMER_MILLIS;
    findingCounters = new EnumMap<>(FindingCode.class);
    for (FindingCode code : FindingCode.values()) {
      findingCounters.put(code, getMetricGroup().addGroup("code", code.code()).counter("findings"));
    }
    getMetricGroup().gauge("waitingRows", () -> lowWatermark.rows());
    spilledRows = getMetricGroup().counter("spilledRows");
    evictedExperiments = getMetricGroup().counter("evictedExperiments");
    rehydratedExperiments = getMetricGroup().counter("rehydratedExperiments");
    getMetricGroup().gauge("cachedUsers", () -> users.users());
    if (change != null && change.restates()) {
      restateMetrics();
    }
  }

  /** Before anything is applied, so that the cache is empty. */
  private void restateMetrics() throws Exception {
    Duration patience = jobConfig.clickhouse().commitDeadline();
    try (RawEvents rows = rawEvents.open();
        WarehouseFacts evicted =
            new WarehouseFacts(
                rawEvents, new EventChecks(change.both(), jobConfig.findings()), patience)) {
      MetricRestatement restateMetrics =
          new MetricRestatement(change, dimensions, rows, evicted, patience, this);
      List<UserFacts> some = new ArrayList<>();
      int length = 0;
      for (String userId : userIds()) {
        setCurrentKey(userId);
        some.add(UserFacts.of(userId, userState.value()));
        length += userId.length();
        if (some.size() == READ_USERS || length > READ_LENGTH) {
          restateMetrics(restateMetrics, some);
          some.clear();
          length = 0;
        }
      }
      restateMetrics(restateMetrics, some);
    }
  }

  private void restateMetrics(MetricRestatement restateMetrics, List<UserFacts> some)
      throws Exception {
    for (UserFacts changed : restateMetrics.apply(some)) {
      setCurrentKey(changed.userId);
      userState.update(changed.toState());
    }
  }

  /** Says once, of all subtasks, what is different from the savepoint. */
  private void announce() {
    boolean first = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() == 0;
    if (change != null && first) {
      for (MetricConfig metric : change.after().metrics()) {
        announce(
            FindingCode.M_STARTED,
            metric.name(),
            "counted for users first exposed on or after " + metric.since());
      }
      for (String metric : change.ended()) {
        announce(FindingCode.M_ENDED, metric, "no longer counted; its days stay as they were");
      }
    }
    change = null;
  }

  private void announce(FindingCode code, String metric, String detail) {
    finding(
        new Finding(
            code,
            "metric:" + metric,
            true,
            0,
            null,
            null,
            detail,
            seenUntil,
            versions.greatestSequenceNumber(),
            versions.nextFinding()));
  }

  @Override
  public void processElement1(StreamRecord<Change> record) throws Exception {
    String userId = (String) getCurrentKey();
    UserFacts user = users.load(userId);
    attribution.apply(user, record.getValue(), timers.currentProcessingTime());
    done(user);
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    UserFacts user = users.load(timer.getKey());
    user.timerAt = Long.MAX_VALUE;
    attribution.decide(user, timer.getTimestamp());
    done(user);
  }

  @Override
  public void put(PendingEvent flagged) {
    spilledRows.inc();
    setCurrentKey(flagged.event().userId());
    try {
      spilledState.put(keyOf(flagged.event()), flagged);
    } catch (Exception e) {
      throw stateLost(e);
    }
  }

  @Override
  public PendingEvent remove(EventRow event) {
    setCurrentKey(event.userId());
    String key = keyOf(event);
    try {
      PendingEvent flagged = spilledState.get(key);
      spilledState.remove(key);
      return flagged;
    } catch (Exception e) {
      throw stateLost(e);
    }
  }

  @Override
  public Stream<PendingEvent> of(String userId) {
    setCurrentKey(userId);
    try {
      return StreamSupport.stream(spilledState.values().spliterator(), false);
    } catch (Exception e) {
      throw stateLost(e);
    }
  }

  private static String keyOf(EventRow event) {
    return event.experimentId() + "/" + event.id() + "@" + event.occurredAt();
  }

  private static IllegalStateException stateLost(Exception e) {
    return new IllegalStateException("the state of spilled events can't be reached", e);
  }

  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) {
    throw new IllegalStateException("attribute sets no event-time timers");
  }

  /**
   * Sets the user's next timer and lets the cache make room; the current key may be another
   * afterwards.
   */
  private void done(UserFacts user) throws Exception {
    long next = user.nextDecision();
    if (next != Long.MAX_VALUE) {
      if (attribution.inSnapshot) {
        next = timers.currentProcessingTime() + jobConfig.findings().grace().toMillis();
      }
      long at = (next / TIMER_MILLIS + 1) * TIMER_MILLIS;
      if (at < user.timerAt) {
        timers.registerProcessingTimeTimer(VoidNamespace.INSTANCE, at);
        user.timerAt = at;
      }
    }
    users.changed(user.userId);
  }

  @Override
  public void processElement2(StreamRecord<Either<ProgressMarker, Change>> record)
      throws Exception {
    if (record.getValue().isLeft()) {
      marker = record.getValue().left();
      attribution.inSnapshot = !marker.snapshotDone();
    } else {
      applyDimension(record.getValue().right());
    }
  }

  private void applyDimension(Change change) throws Exception {
    boolean gone = change.kind() == ChangeKind.DELETE || change.kind() == ChangeKind.KEY_CHANGE;
    Dimensions before = dimensions.copy();
    if (change.table() == SourceTable.EXPERIMENTS) {
      ExperimentRow row = (ExperimentRow) (gone ? change.before() : change.after());
      ExperimentDimension old = dimensions.experiment(row.id());
      if (gone) {
        experimentState.remove(row.id());
        dimensions.removeExperiment(row.id());
      } else {
        ExperimentDimension now =
            ExperimentDimension.of(
                row, jobConfig.statistics().zone(), old, change.position().committedAt());
        experimentState.put(row.id(), now);
        dimensions.put(now);
      }
      boolean awaited = missing.experiments.remove(row.id()) && !gone;
      if (awaited) {
        attribution.resolveOrphanExperiment(row, change);
      }
      boolean counts = old != null && (gone || !old.countsLike(dimensions.experiment(row.id())));
      if (awaited || counts) {
        lookThroughUsers(Set.of(row.id()), before);
      }
    } else {
      VariantRow row = (VariantRow) (gone ? change.before() : change.after());
      VariantDimension old = dimensions.variant(row.id());
      if (gone) {
        variantState.remove(row.id());
        dimensions.removeVariant(row.id());
      } else {
        VariantDimension now = VariantDimension.of(row);
        variantState.put(row.id(), now);
        dimensions.put(now);
      }
      boolean awaited = missing.variants.remove(row.id()) && !gone;
      if (awaited) {
        attribution.resolveOrphanVariant(row, change);
      }
      boolean counts = old != null && (gone || old.experimentId() != row.experimentId());
      if (awaited || counts) {
        Set<Long> experiments = new HashSet<>(List.of(row.experimentId()));
        if (old != null) {
          experiments.add(old.experimentId());
        }
        lookThroughUsers(experiments, before);
      }
    }
  }

  private void lookThroughUsers(Set<Long> experiments, Dimensions before) throws Exception {
    users.flush();
    List<String> some = new ArrayList<>();
    int length = 0;
    for (String userId : userIds()) {
      some.add(userId);
      length += userId.length();
      if (some.size() == READ_USERS || length > READ_LENGTH) {
        lookThrough(some, experiments, before);
        some.clear();
        length = 0;
      }
    }
    lookThrough(some, experiments, before);
  }

  private void lookThrough(List<String> some, Set<Long> experiments, Dimensions before)
      throws Exception {
    Map<String, List<EvictionSummary>> marks = new HashMap<>();
    for (String userId : some) {
      List<EvictionSummary> needed =
          users.load(userId).evicted().stream()
              .filter(summary -> experiments.contains(summary.experimentId()) && !summary.lost())
              .toList();
      if (!needed.isEmpty()) {
        marks.put(userId, needed);
      }
    }
    evictedFacts.readAhead(marks);
    for (String userId : some) {
      UserFacts user = users.load(userId);
      setCurrentKey(userId);
      attribution.applyDimensions(user, experiments, before, timers.currentProcessingTime());
      done(user);
    }
  }

  /** Lets facts settle, of a bounded number of users: the barrier waits for it. */
  private void evict() throws Exception {
    if (marker == null || !marker.snapshotDone() || marker.committedAt() < evictsFrom) {
      return;
    }
    Set<Long> over = eviction.over(marker.committedAt());
    long now = timers.currentProcessingTime();
    if (unlooked == null) {
      if (!evictionPasses.isDue(over, now)) {
        return;
      }
      evictionPasses.begin(over);
      unlooked = new ArrayDeque<>(userIds());
      passEvictedSome = false;
    }
    try {
      evictSome(over);
    } catch (IOException e) {
      LOG.warn("No facts settle for now, since ClickHouse does not show its rows", e);
      unlooked.clear();
    }
    if (unlooked.isEmpty()) {
      unlooked = null;
      evictionPasses.end(passEvictedSome, now);
    }
  }

  private void evictSome(Set<Long> over) throws Exception {
    List<UserFacts> some = new ArrayList<>();
    int length = 0;
    for (int i = 0;
        i < SETTLING_USERS
            && !unlooked.isEmpty()
            && some.size() < READ_USERS
            && length < READ_LENGTH;
        i++) {
      String userId = unlooked.remove();
      setCurrentKey(userId);
      UserState state = userState.value();
      if (state != null && hasFactsIn(state, over)) {
        some.add(UserFacts.of(userId, state));
        length += userId.length();
      }
    }
    long bound =
        RowVersion.ofSequenceNumber(versions.greatestSequenceNumber()) + RowVersion.LAST_REVISION;
    Map<String, List<EvictionSummary>> evicted =
        eviction.evict(some, marker.committedAt(), bound, evictedFacts);
    for (Map.Entry<String, List<EvictionSummary>> of : evicted.entrySet()) {
      UserFacts user = users.load(of.getKey());
      of.getValue().forEach(user::evict);
      users.changed(user.userId);
      evictedExperiments.inc(of.getValue().size());
      passEvictedSome = true;
    }
  }

  private static boolean hasFactsIn(UserState state, Set<Long> experiments) {
    for (ExperimentState facts : state.experiments()) {
      if (experiments.contains(facts.experimentId())) {
        return true;
      }
    }
    return false;
  }

  /** All users of the state; those that are in the cache only are not among them. */
  private List<String> userIds() {
    try (var keys =
        this.<String>getKeyedStateBackend().getKeys(USER.getName(), VoidNamespace.INSTANCE)) {
      return keys.toList();
    }
  }

  @Override
  public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
    users.flush();
    evict();
    users.flush();
    rehydrated.replaceAll((userId, checkpoint) -> Math.min(checkpoint, checkpointId));
    announce();
    sendContributions();
    reported.clear();
    if (marker != null) {
      ProgressMarker visible = visible();
      output.collect(new StreamRecord<>(Either.Left(visible)));
      output.collect(ASSIGNMENTS, new StreamRecord<>(Either.Left(visible)));
      output.collect(FINDINGS, new StreamRecord<>(Either.Left(visible)));
    }
  }

  /**
   * The cut as far as it is true here: rows that wait are not visible, nor those that waited at the
   * restart.
   */
  private ProgressMarker visible() {
    ProgressMarker visible = lowWatermark.lower(marker);
    boolean restoredRowsMayWait =
        restoredMarker != null && timers.currentProcessingTime() < restoredFloorUntil;
    return restoredRowsMayWait && restoredMarker.lsn() < visible.lsn()
        ? new ProgressMarker(
            visible.sequenceNumber(),
            restoredMarker.lsn(),
            Math.min(visible.committedAt(), restoredMarker.committedAt()),
            visible.snapshotDone(),
            visible.replayStable())
        : visible;
  }

  @Override
  public void snapshotState(StateSnapshotContext context) throws Exception {
    super.snapshotState(context);
    progressState.update(
        List.of(
            new AttributeProgress(
                versions.greatestSequenceNumber(),
                versions.lastFinding(),
                marker == null ? new ProgressMarker(0, 0, 0, false, false) : visible(),
                missing.experiments.stream().mapToLong(Long::longValue).toArray(),
                missing.variants.stream().mapToLong(Long::longValue).toArray(),
                jobConfig.statistics().toString(),
                endedMetrics.toArray(String[]::new))));
  }

  private void sendContributions() {
    dailyTotals.forEach(
        (key, total) -> {
          if (!total.sums().isZero()) {
            output.collect(
                CONTRIBUTIONS,
                new StreamRecord<>(new DailyContribution(key, total.sums(), total.dayEndsAt())));
          }
        });
    Map<MetricKey, MetricTotals> metricTotals = new HashMap<>();
    dailyTotals.forEach(
        (key, total) ->
            metricTotals.merge(
                new MetricKey(key.experimentId(), key.variantId(), key.metric()),
                MetricTotals.of(total.sums()),
                MetricTotals::plus));
    dailyTotals.clear();
    metricTotals.forEach(
        (key, totals) -> {
          if (!totals.isZero()) {
            output.collect(HEALTH, new StreamRecord<>(new HealthContribution(key, totals)));
          }
        });
    healthTotals.forEach(
        (key, counts) -> {
          if (!counts.isZero()) {
            output.collect(HEALTH, new StreamRecord<>(new HealthContribution(key, counts)));
          }
        });
    healthTotals.clear();
  }

  @Override
  public void notifyCheckpointComplete(long checkpointId) throws Exception {
    super.notifyCheckpointComplete(checkpointId);
    rehydrated.values().removeIf(checkpoint -> checkpoint <= checkpointId);
  }

  @Override
  public void rehydrated(String userId) {
    rehydratedExperiments.inc();
    rehydrated.put(userId, Long.MAX_VALUE);
  }

  @Override
  public void event(EventProcessed row) {
    EventProcessed sent =
        rehydrated.containsKey(row.event().userId())
            ? row.withVersion(row.version().behindCheckpoint())
            : row;
    output.collect(new StreamRecord<>(Either.Right(sent)));
  }

  @Override
  public void assignment(AssignmentProcessed row) {
    AssignmentProcessed sent =
        rehydrated.containsKey(row.assignment().userId())
            ? row.withVersion(row.version().behindCheckpoint())
            : row;
    output.collect(ASSIGNMENTS, new StreamRecord<>(Either.Right(sent)));
  }

  @Override
  public void close() throws Exception {
    if (evictedFacts != null) {
      evictedFacts.close();
    }
    super.close();
  }

  @Override
  public void finding(Finding finding) {
    if (OF_MANY_ROWS.contains(finding.code())
        && !reported.add(new Reported(finding.code(), finding.subject(), finding.open()))) {
      return;
    }
    reported.remove(new Reported(finding.code(), finding.subject(), !finding.open()));
    findingCounters.get(finding.code()).inc();
    output.collect(FINDINGS, new StreamRecord<>(Either.Right(finding)));
  }

  @Override
  public void daily(DailyKey key, DailySums difference, long dayEndsAt) {
    dailyTotals.merge(
        key,
        new DayTotal(difference, dayEndsAt),
        (a, b) -> new DayTotal(a.sums().plus(b.sums()), b.dayEndsAt()));
    if (dailyTotals.size() > MAX_ACCUMULATED_KEYS) {
      sendContributions();
    }
  }

  @Override
  public void health(HealthKey key, HealthCounts difference) {
    healthTotals.merge(key, difference, HealthCounts::plus);
    if (healthTotals.size() > MAX_ACCUMULATED_KEYS) {
      sendContributions();
    }
  }
}
