package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import io.experimentetl.model.UserRow;
import io.experimentetl.quality.EventChecks;
import java.io.IOException;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One user's changes, step by step. Every call is a transaction of its own, but for those within
 * {@link #inOneTransaction}.
 *
 * <p>Long because it has a step for each thing that can happen to a user.
 */
final class UserScenario {
  static final String USER = "u1";
  static final long EXPERIMENT = 1;
  static final long CONTROL = 11;
  static final long TREATMENT = 12;
  static final String JAN_8 = "2026-01-08T10:00:00Z";
  static final String JAN_9 = "2026-01-09T10:00:00Z";
  static final String JAN_10 = "2026-01-10T10:00:00Z";
  private static final long GRACE_MILLIS = 10_000;

  final CollectedOutput out = new CollectedOutput();
  final Dimensions dimensions;
  final PendingLowWatermark lowWatermark = new PendingLowWatermark();
  RowVersionGenerator versions = new RowVersionGenerator(0, 0, 0);
  final KeptSpilledEvents spilled = new KeptSpilledEvents();
  final Map<Integer, UndecidedChange> undecided = new HashMap<>();
  final StoredRows warehouse = new StoredRows(out.eventRows, out.assignmentRows);
  private final MissingReferences missing = new MissingReferences();
  private UserAttribution attribution;
  private JobConfig config;
  private final KeptUsers state = new KeptUsers();
  private UserFacts user = UserFacts.read(state, USER);
  private long lsn = 1000;
  private long txId = 100;
  private long now = 1_000_000;
  private boolean inTransaction;

  /** The edits of experiments that {@link #walk} has not applied yet. */
  private final Deque<Unfinished> unfinished = new ArrayDeque<>();

  /** What belonged to an experiment before an edit. */
  private record Unfinished(long experimentId, Dimensions former) {}

  /** Whether an edit of the dimensions reaches the user at once; otherwise by {@link #walk}. */
  boolean walksAtOnce = true;

  /** Whether sums are sent after each change; otherwise only by {@link #settle}. */
  boolean settlesAtOnce = true;

  /** Commit time of the next changes, microseconds since 1970. */
  long committedAt = at("2026-01-10T12:00:00Z");

  UserScenario(JobConfig config) {
    this.config = config;
    this.dimensions = new Dimensions(config.statistics().zone());
    this.attribution = attribution(config);
  }

  private UserAttribution attribution(JobConfig by) {
    return new UserAttribution(
        by,
        dimensions,
        missing,
        versions,
        lowWatermark,
        spilled,
        new KeptUndecidedChanges(undecided),
        evictedFacts(by.statistics()),
        out);
  }

  private WarehouseFacts evictedFacts(StatisticsConfig statistics) {
    return new WarehouseFacts(
        () -> warehouse, new EventChecks(statistics, config.findings()), Duration.ZERO);
  }

  /** Evicts the user's facts that may leave, in experiments that have ended. */
  void evict() {
    throughState();
    try {
      new Eviction(
              dimensions,
              config.statistics(),
              Duration.ZERO,
              RetentionPeriods.of(config),
              SharedFacts.of(config))
          .evict(
              List.of(user),
              committedAt,
              RowVersion.ofSequenceNumber(versions.greatestSequenceNumber())
                  + RowVersion.LAST_REVISION,
              evictedFacts(config.statistics()))
          .values()
          .forEach(summaries -> summaries.forEach(user::evict));
      throughState();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  List<EvictionSummary> evicted() {
    return user.evicted();
  }

  /** Stops the job with a savepoint, and starts it with other settings. */
  void redeploy(JobConfig now, Set<String> restated, Set<String> endedBefore)
      throws IOException, InterruptedException {
    throughState();
    UserFindings findings = new UserFindings(dimensions, versions, out);
    UserStatistics present =
        new UserStatistics(
            dimensions,
            now.statistics(),
            now.findings().enrolmentTolerance().toMillis() * 1000,
            findings,
            out,
            SharedFacts.of(now),
            new Rehydration(evictedFacts(now.statistics()), findings, out));
    MetricChange change =
        MetricChange.between(
            config.statistics(), now.statistics(), restated, endedBefore, committedAt);
    new MetricRestatement(
            change,
            dimensions,
            present,
            warehouse,
            evictedFacts(change.both()),
            Duration.ZERO,
            out,
            SharedFacts.of(now))
        .apply(List.of(user));
    config = now;
    attribution = attribution(now);
    user = UserFacts.read(state, USER);
  }

  static JobConfig config(CrossoverPolicy policy) {
    return config(StatisticsConfig.defaults().withCrossover(policy));
  }

  static JobConfig config(StatisticsConfig statistics) {
    return ConfigBuilder.defaults().with(JobConfig::statistics, statistics).build();
  }

  /** Two tables of metric events: orders may change, and are kept for ever. */
  static JobConfig withFacts() {
    return ConfigBuilder.read(
        """
        source:
          tables:
            facts:
              - {name: orders, table: o, event_type: {constant: purchase}, mutable: true, retention: none}
              - {name: log, table: l, event_type: {constant: purchase}, retention: 10d}
        statistics:
          metrics:
            - {name: revenue, kind: mean, event-type: purchase, property: revenue}
        """);
  }

  /** The same job with tables of metric events that name no experiment. */
  static JobConfig sharing(JobConfig config) {
    SourceMapping tables =
        JobConfig.parse(
                "shared",
                """
                source:
                  tables:
                    facts:
                      - {name: orders, table: o, event_type: {constant: purchase}, mutable: true, experiment: assigned}
                      - {name: refunds, table: r, event_type: {constant: purchase}, experiment: assigned}
                """,
                Map.of(
                    "EXPERIMENT_ETL_SOURCE_PASSWORD", "-",
                    "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"))
            .source()
            .tables();
    return ConfigBuilder.from(config).with(SourceConfig::tables, tables).build();
  }

  /** A purchase from a table of metric events. */
  static EventRow ofTable(String fact, int number, String occurredAt, String revenue) {
    return TestEvent.of(
            EventId.ofEntry(fact, Integer.toString(number)),
            at(occurredAt),
            EXPERIMENT,
            USER,
            "purchase")
        .with("properties", "{\"revenue\": " + revenue + "}")
        .with("fact", fact)
        .row();
  }

  /** At most this many pending events are held with a user. */
  static JobConfig holding(int pendingPerUser) {
    return ConfigBuilder.defaults().with(FindingsConfig::pendingPerUser, pendingPerUser).build();
  }

  /** A scenario with the experiment, its two variants, and the user. */
  static UserScenario ofKnownUser(JobConfig config) {
    UserScenario scenario = new UserScenario(config);
    scenario.knowDimensions();
    scenario.insert(SourceTable.USERS, userRow());
    return scenario;
  }

  static long at(String instant) {
    Instant at = Instant.parse(instant);
    return at.getEpochSecond() * 1_000_000 + at.getNano() / 1000;
  }

  static EventId id(int number) {
    return new EventId(0, number, null);
  }

  static UserRow userRow() {
    return new UserRow(USER, "a@b", "A", "{\"country\": \"DE\"}", true, 0, 0);
  }

  static AssignmentRow assignment(long variantId, String source, String assignedAt) {
    return new AssignmentRow(
        7, EXPERIMENT, USER, variantId, 1, source, null, at(assignedAt), null, 0, 0);
  }

  static EventRow event(int id, String type, Long variantId, String occurredAt, String properties) {
    return TestEvent.of(id(id), at(occurredAt), EXPERIMENT, USER, type)
        .with("variant_id", variantId)
        .with("properties", properties)
        .row();
  }

  static EventRow exposure(int id, Long variantId, String occurredAt) {
    return event(id, "exposure", variantId, occurredAt, null);
  }

  static EventRow purchase(int id, String occurredAt, String revenue) {
    return event(id, "purchase", CONTROL, occurredAt, "{\"revenue\": " + revenue + "}");
  }

  /** An assignment by the API with this id. */
  static AssignmentRow numbered(long id, long variantId, String assignedAt) {
    return new AssignmentRow(
        id, EXPERIMENT, USER, variantId, 1, "api", null, at(assignedAt), null, 0, 0);
  }

  /** In millionths, as the sums are. */
  static BigInteger units(long number) {
    return BigInteger.valueOf(number).multiply(BigInteger.TEN.pow(6));
  }

  /** The figures of a day, which are the sum of all differences sent. */
  DailySums figures(long variantId, String metric, String day) {
    return out.daily.getOrDefault(
        new DailyKey(EXPERIMENT, variantId, metric, (int) LocalDate.parse(day).toEpochDay()),
        DailySums.ZERO);
  }

  void knowDimensions() {
    changeDimensions(
        () -> {
          dimensions.put(experiment(null, null));
          dimensions.put(new VariantDimension(CONTROL, EXPERIMENT, "control", "C", 50, true));
          dimensions.put(new VariantDimension(TREATMENT, EXPERIMENT, "treatment", "T", 50, false));
        });
  }

  /**
   * The experiment with these dates.
   *
   * @param startsAt null: open
   * @param endsAt null: open
   */
  static ExperimentDimension experiment(String startsAt, String endsAt) {
    return new ExperimentDimension(
        EXPERIMENT,
        "exp",
        "Exp",
        "UTC",
        startsAt == null ? null : at(startsAt),
        endsAt == null ? null : at(endsAt),
        0,
        ExperimentDimension.NO_STATUSES);
  }

  /** The experiment gets these dates; null: open. */
  void experimentRuns(String from, String to) {
    changeDimensions(() -> dimensions.put(experiment(from, to)));
  }

  /** The experiment gets another zone. */
  void experimentMoves(String zone) {
    changeDimensions(
        () ->
            dimensions.put(
                new ExperimentDimension(
                    EXPERIMENT,
                    "exp",
                    "Exp",
                    zone,
                    null,
                    null,
                    0,
                    ExperimentDimension.NO_STATUSES)));
    rejoin();
  }

  /** A variant of the experiment arrives that facts may have referred to. */
  void variantArrives(long id) {
    changeDimensions(
        () -> dimensions.put(new VariantDimension(id, EXPERIMENT, "late", "L", 0, false)));
  }

  void changeDimensions(Runnable change) {
    changeDimensions(EXPERIMENT, change);
  }

  /** Edits what belongs to an experiment. */
  void changeDimensions(long experimentId, Runnable change) {
    Dimensions former = dimensions.copyOf(Set.of(experimentId));
    change.run();
    dimensions.putVersion(experimentId, dimensions.versionOf(experimentId) + 1);
    dimensions.remember(experimentId, former);
    unfinished.add(new Unfinished(experimentId, former));
    if (walksAtOnce) {
      walk();
    }
  }

  /** Visits the user for each edit of the dimensions, in their order. */
  void walk() {
    while (!unfinished.isEmpty()) {
      flush();
      Unfinished edit = unfinished.remove();
      long id = edit.experimentId;
      if (user.findIn(id) != null || user.evictedIn(id) != null) {
        assertThat(state.isIn(USER, id)).as("found by the index").isTrue();
      }
      attribution.applyDimensions(user, new Edit(id, Origin.NONE, edit.former.experiment(id)), now);
      changed();
      dimensions.forget(id, edit.former.versionOf(id));
    }
  }

  void insert(SourceTable table, SourceRow after) {
    apply(table, ChangeKind.INSERT, null, after);
  }

  void insert(AssignmentRow after) {
    insert(SourceTable.ASSIGNMENTS, after);
  }

  void insert(EventRow after) {
    insert(SourceTable.EVENTS, after);
  }

  void update(EventRow before, EventRow after) {
    apply(SourceTable.EVENTS, ChangeKind.UPDATE, before, after);
  }

  void update(AssignmentRow before, AssignmentRow after) {
    apply(SourceTable.ASSIGNMENTS, ChangeKind.UPDATE, before, after);
  }

  void delete(EventRow before) {
    apply(SourceTable.EVENTS, ChangeKind.DELETE, before, null);
  }

  void delete(AssignmentRow before) {
    apply(SourceTable.ASSIGNMENTS, ChangeKind.DELETE, before, null);
  }

  void deleteUser() {
    apply(SourceTable.USERS, ChangeKind.DELETE, userRow(), null);
  }

  /** The user gets another id; PostgreSQL lets no fact follow. */
  void rename(String from, String to) {
    apply(
        SourceTable.USERS, ChangeKind.RENAME, userRow().withUserId(from), userRow().withUserId(to));
  }

  void eraseUser(String userId) {
    apply(SourceTable.USERS, ChangeKind.DELETE, userRow().withUserId(userId), null);
  }

  /** The two halves of an update of an event's key, of one user. */
  void changeKey(EventRow before, EventRow after) {
    inOneTransaction(
        () -> {
          apply(SourceTable.EVENTS, ChangeKind.KEY_CHANGE, before, null);
          apply(SourceTable.EVENTS, ChangeKind.UPDATE, before, after);
        });
  }

  /** The event follows its renamed user. */
  void follow(EventRow before, String to) {
    apply(SourceTable.EVENTS, ChangeKind.RENAME, before, before.withUserId(to));
  }

  /** The assignment follows its renamed user. */
  void follow(AssignmentRow before, String to) {
    apply(SourceTable.ASSIGNMENTS, ChangeKind.RENAME, before, before.withUserId(to));
  }

  /** Moves the facts that did not follow, as the operator does before a barrier. */
  void moveRenamed(boolean mustBeVisible) {
    attribution.rehydrateRenamed(user);
    List<EventRow> stored = new ArrayList<>();
    try {
      warehouse.readAsOf(
          user.unmoved().stream().map(facts -> facts.experimentId).distinct().toList(),
          user.unmoved().stream().map(facts -> facts.userId).distinct().toList(),
          Long.MAX_VALUE,
          (row, version) -> stored.add(row),
          (assignment, sequence, version) -> {});
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    attribution.moveRenamed(user, stored, mustBeVisible, now);
    changed();
  }

  /** Joins the facts again with an experiment that was deleted or is back. */
  void rejoin() {
    RejoinedFacts rejoined = attribution.rejoined();
    if (!rejoined.prepare(user, EXPERIMENT)) {
      return;
    }
    try {
      warehouse.readAsOf(
          List.of(EXPERIMENT),
          List.of(user.userId),
          Long.MAX_VALUE,
          (row, stored) -> rejoined.event(user, row, stored),
          (row, sequence, stored) -> rejoined.assignment(user, row, stored));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    changed();
  }

  /** Sends the sums of all changes. */
  void settle() {
    attribution.settle(user);
  }

  private void changed() {
    user.clearTouched();
    if (settlesAtOnce) {
      settle();
    }
  }

  boolean hasUnmoved() {
    return user.hasUnmoved();
  }

  void inOneTransaction(Runnable changes) {
    txId++;
    inTransaction = true;
    changes.run();
    inTransaction = false;
    commit();
  }

  private void commit() {
    attribution.endTransaction(user, now);
    changed();
  }

  /** A TRUNCATE; {@link #commitTruncates} must follow. */
  void truncate(SourceTable table) {
    truncate(table, ChangeKind.TRUNCATE);
  }

  /** A TRUNCATE in a retention transaction; {@link #commitTruncates} must follow. */
  void truncateByRetention(SourceTable table) {
    truncate(table, ChangeKind.RETENTION_TRUNCATE);
  }

  private void truncate(SourceTable table, ChangeKind kind) {
    lsn += 104;
    versions.observe(lsn);
    attribution
        .truncates()
        .add(
            Truncate.of(
                new Change(
                    table,
                    kind,
                    lsn,
                    new SourcePosition(lsn - 104, lsn, txId, 0, committedAt),
                    null,
                    null)));
  }

  /** The commit of a transaction that may have truncates. */
  void commitTruncates() {
    attribution.applyTruncates(user, now);
    attribution.truncates().clear();
    changed();
  }

  void processingTime(Instant time) {
    now = time.toEpochMilli();
  }

  void afterGrace() {
    now += GRACE_MILLIS + 1000;
    attribution.applyDue(user, now);
    changed();
  }

  /** Writes the user to state, as a barrier does, and reads it back. */
  void throughState() {
    flush();
    user = UserFacts.read(state, USER);
  }

  /** Writes the user to state, and goes on with it. */
  void flush() {
    settle();
    user.flush();
  }

  /** Everything that a checkpoint holds, and what the statistics were behind it. */
  record Checkpoint(
      KeptUsers state,
      Map<Integer, UndecidedChange> undecided,
      Map<DailyKey, DailySums> daily,
      int eventRows,
      int assignmentRows,
      List<Truncate> truncates,
      long greatestSequenceNumber,
      long lsn) {}

  Checkpoint checkpoint() {
    flush();
    return new Checkpoint(
        state.copy(),
        Map.copyOf(undecided),
        Map.copyOf(out.daily),
        out.eventRows.size(),
        out.assignmentRows.size(),
        attribution.truncates().all(),
        versions.greatestSequenceNumber(),
        lsn);
  }

  /** Restarts from the checkpoint, once; rows that were written early since then stay. */
  void restart(Checkpoint checkpoint) {
    out.eventRows
        .subList(checkpoint.eventRows, out.eventRows.size())
        .removeIf(row -> !row.version().isReplayStable(row.inconsistencies()));
    out.assignmentRows
        .subList(checkpoint.assignmentRows, out.assignmentRows.size())
        .removeIf(row -> !row.version().isReplayStable(row.inconsistencies()));
    versions =
        new RowVersionGenerator(checkpoint.greatestSequenceNumber, versions.lastFinding(), 0);
    attribution = attribution(config);
    checkpoint.truncates.forEach(attribution.truncates()::add);
    state.replaceBy(checkpoint.state);
    user = UserFacts.read(state, USER);
    undecided.clear();
    undecided.putAll(checkpoint.undecided);
    out.daily.clear();
    out.daily.putAll(checkpoint.daily);
    lsn = checkpoint.lsn;
  }

  /** Restarts from the checkpoint, once; rows that were sent since then were never visible. */
  void restartExactly(Checkpoint checkpoint) {
    out.eventRows.subList(checkpoint.eventRows, out.eventRows.size()).clear();
    out.assignmentRows.subList(checkpoint.assignmentRows, out.assignmentRows.size()).clear();
    restart(checkpoint);
  }

  /** Restarts the job from an earlier checkpoint; rows sent since then stay sent. */
  void restart(KeptUsers checkpoint) {
    state.replaceBy(checkpoint);
    user = UserFacts.read(state, USER);
  }

  /** What is kept of the user; empty: nothing. */
  KeptUsers keptState() {
    throughState();
    return state.copy();
  }

  Map<String, EventProcessed> visible() {
    return out.visibleEvents();
  }

  void apply(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    // PostgreSQL aligns records to eight bytes.
    lsn += 104;
    applyAt(lsn, table, kind, before, after);
  }

  /** The source's row, of which the warehouse has not got the same, is read beside the stream. */
  void reread(SourceTable table, SourceRow row) {
    besideStream(table, ChangeKind.REREAD, null, row);
  }

  /** The warehouse has a row that is read beside the stream, and that the source does not give. */
  void rereadNothing(SourceTable table, SourceRow row) {
    besideStream(table, ChangeKind.DELETE, row, null);
  }

  private void besideStream(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 104;
    attribution.apply(
        user,
        new Change(table, kind, lsn, new SourcePosition(0, 0, -1, 0, committedAt), before, after),
        now);
    changed();
  }

  /** A row that the snapshot reads. */
  void snapshot(SourceTable table, SourceRow row) {
    ofSnapshot(table, ChangeKind.READ, null, row);
  }

  /** A row that the snapshot reads, and that erases its user. */
  void snapshotErases(UserRow row) {
    ofSnapshot(SourceTable.USERS, ChangeKind.ERASE, row, null);
  }

  private void ofSnapshot(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 1;
    attribution.apply(
        user,
        new Change(table, kind, lsn, new SourcePosition(0, 0, 0, 0, committedAt), before, after),
        now);
    changed();
  }

  /** The number of the last change. */
  long lastNumber() {
    return lsn;
  }

  /** Half of the update of a key; the delete with this number was passed on as one of its own. */
  void isFirstHalf(long number, SourceTable table, SourceRow before) {
    applyAt(number, table, ChangeKind.KEY_CHANGE, before, null);
  }

  private void applyAt(
      long number, SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    if (!inTransaction) {
      txId++;
    }
    attribution.apply(
        user,
        new Change(
            table,
            kind,
            number,
            new SourcePosition(number - 104, number, txId, 0, committedAt),
            before,
            after),
        now);
    changed();
    if (!inTransaction) {
      commit();
    }
  }
}
