package io.experimentetl.attribution;

import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import io.experimentetl.quality.EventChecks;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What a change means for its user: the rows to send, the findings to report and the differences in
 * the statistics. It has no Flink types: the caller passes the user's facts in, and results go to
 * the output.
 *
 * <p>A fact with an unresolved reference is pending for the grace period. Then it is delivered
 * flagged, and corrected when the reference arrives. It counts in the statistics from its delivery,
 * so that rows and statistics always agree.
 */
final class UserAttribution {
  /** Number of a user's changes in one transaction whose events are on the heap at a time. */
  private static final int CHANGES_ON_HEAP = 10_000;

  private final Dimensions dimensions;
  private final CorrectedFindings corrected;
  private final GracePeriod grace;
  private final DeletedFacts deleted;
  private final Rehydration rehydration;
  private final UserStatistics statistics;
  private final UserFindings findings;
  private final RowVersionGenerator versions;
  private final AssignmentAttribution assignments;
  private final EventAttribution events;
  private final UserErasure erasure;
  private final OpenTruncates truncates = new OpenTruncates();
  private final TruncatedFacts truncated;
  private final UserRename rename;
  private final RejoinedFacts rejoined;
  private final UndecidedChanges undecided;
  private long rowsOfErasedUsers;

  UserAttribution(
      JobConfig config,
      Dimensions dimensions,
      MissingReferences missing,
      RowVersionGenerator versions,
      PendingLowWatermark lowWatermark,
      SpilledEvents spilledEvents,
      UndecidedChanges undecided,
      WarehouseFacts evictedFacts,
      AttributionOutput out) {
    this.dimensions = dimensions;
    this.versions = versions;
    this.undecided = undecided;
    grace = new GracePeriod(config.findings().grace());
    findings = new UserFindings(dimensions, versions, out);
    RetentionPeriods retention = RetentionPeriods.of(config);
    MutableFacts mutable = new MutableFacts(config.source().tables());
    deleted = new DeletedFacts(retention, mutable, findings);
    rehydration = new Rehydration(evictedFacts, findings, out);
    SharedFacts shared = SharedFacts.of(config);
    statistics =
        new UserStatistics(
            dimensions,
            config.statistics(),
            config.findings().enrolmentTolerance().toMillis() * 1000,
            findings,
            out,
            shared,
            rehydration);
    int eventsPerUser = config.findings().pendingPerUser();
    AttributionSteps steps =
        new AttributionSteps(
            new ReferenceLookup(dimensions, missing, config.source().tables().hasUsers(), shared),
            grace,
            new PendingFacts(eventsPerUser, spilledEvents, lowWatermark),
            deleted,
            rehydration,
            statistics,
            new ProcessedRows(dimensions, out),
            findings,
            versions,
            truncates);
    corrected =
        new CorrectedFindings(
            missing, findings, config.findings().clockTolerance().toMillis() * 1000);
    assignments = new AssignmentAttribution(steps, corrected, config.findings());
    BotCheck bots =
        new BotCheck(config.findings().health().botEventsPerDay(), dimensions, findings, shared);
    EventChecks checks = new EventChecks(config.statistics(), config.findings());
    events = new EventAttribution(steps, checks, bots, mutable, eventsPerUser);
    erasure = new UserErasure(steps, events);
    truncated = new TruncatedFacts(steps, retention, assignments, events, erasure, out);
    rename = new UserRename(steps, assignments, events, bots);
    rejoined = new RejoinedFacts(steps, assignments, checks);
  }

  /** The statistics of the users. */
  UserStatistics statistics() {
    return statistics;
  }

  /** Number of assignments and events of users whom a row of the source erases. */
  long rowsOfErasedUsers() {
    return rowsOfErasedUsers;
  }

  /** The period for which facts are pending. */
  GracePeriod grace() {
    return grace;
  }

  /**
   * Applies a change of a user, an assignment or an event. From a delete on, the user's changes
   * await their transaction's end.
   *
   * @param now processing time, milliseconds since 1970
   */
  void apply(UserFacts user, Change change, long now) {
    versions.observe(change.sequenceNumber());
    if (user.undecided.isEmpty() && !deleted.mustAwaitEnd(user, change)) {
      applyDecided(user, change, now);
      return;
    }
    undecided.put(user, user.undecided.changes(), UndecidedChange.of(change));
    user.undecided = user.undecided.with(change);
  }

  /**
   * Applies the user's changes that have awaited the end of their transaction, which has committed.
   * All of them are of one transaction: the source sends them one after the other.
   *
   * @param now processing time, milliseconds since 1970
   */
  void endTransaction(UserFacts user, long now) {
    UndecidedTransaction ended = user.undecided;
    if (ended.isEmpty()) {
      return;
    }
    user.undecided = UndecidedTransaction.NONE;
    deleted.begin(ended.judgement());
    statistics.defer();
    Set<Long> firstHalves = ended.changesKeys() ? firstHalves(user, ended) : Set.of();
    Set<Long> applied = new HashSet<>();
    for (int i = 0; i < ended.changes(); i++) {
      Change change = undecided.take(user, i).change();
      if (firstHalves.contains(change.sequenceNumber()) && change.after() == null) {
        if (!applied.add(change.sequenceNumber())) {
          continue;
        }
        change = change.as(ChangeKind.KEY_CHANGE, change.before(), null);
      }
      versions.correctAt(change.sequenceNumber());
      if (i == ended.erasedBy()) {
        user.identify(userIdOf(change));
        erasure.erase(user, change);
      } else {
        applyDecided(user, change, now);
      }
      if (i % CHANGES_ON_HEAP == CHANGES_ON_HEAP - 1) {
        user.writeEvents();
      }
    }
    versions.correctBehindAll();
    statistics.reportDeferred(user);
    deleted.end(user);
    // What came due in the meantime.
    reevaluateAll(user, now);
  }

  /**
   * The numbers of the deletes that are the first halves of updates. The source may have passed one
   * on as a delete, before it knew the other half; then it comes a second time.
   */
  private Set<Long> firstHalves(UserFacts user, UndecidedTransaction ended) {
    Set<Long> numbers = new HashSet<>();
    for (int i = 0; i < ended.changes(); i++) {
      UndecidedChange change = undecided.get(user, i);
      if (change.kind() == ChangeKind.KEY_CHANGE) {
        numbers.add(change.sequenceNumber());
      }
    }
    return numbers;
  }

  private void applyDecided(UserFacts user, Change change, long now) {
    if (user.erasedAt != 0 && change.table() != SourceTable.USERS) {
      rowsOfErasedUsers++;
      return;
    }
    if (change.kind() != ChangeKind.RENAME && change.kind() != ChangeKind.KEY_CHANGE) {
      user.identify(userIdOf(change));
    }
    switch (change.table()) {
      case USERS -> applyUser(user, change, now);
      case ASSIGNMENTS -> reevaluate(user, assignments.apply(user, change, now), now);
      case EVENTS -> reevaluate(user, events.apply(user, change, now), now);
      default ->
          throw new IllegalArgumentException("attribute was sent a row of " + change.table());
    }
  }

  private void applyUser(UserFacts user, Change change, long now) {
    if (change.kind() == ChangeKind.ERASE && change.position().lsn() == 0) {
      // The snapshot reads rows in any order, and each of them is committed.
      erasure.erase(user, change);
      return;
    }
    if (change.after() != null || change.position().lsn() != 0) {
      // A row that is read again, and erases its user, is as one that the source does not have.
      user.erasedAt = 0;
    }
    if (change.kind() == ChangeKind.RENAME) {
      if (user.user == null) {
        user.user = (UserRow) change.before();
      }
      endGracePeriods(user);
      rename.rename(user, change);
      return;
    }
    boolean wasKnown = user.user != null;
    // Without a row: it is inserted again, or has another key now.
    user.user = (UserRow) change.after();
    user.userMark = truncates.markOf(SourceTable.USERS, Origin.of(change));
    if (!wasKnown && user.user != null) {
      reevaluateAll(user, now);
    }
  }

  /**
   * Delivers the pending facts, under the id that they were written with: the row under a later id
   * has a version above the tombstones of earlier renames.
   */
  private void endGracePeriods(UserFacts user) {
    for (ExperimentFacts facts : user.withPending()) {
      reevaluate(user, facts, Long.MAX_VALUE);
    }
  }

  /** The truncates of the transaction that is being received. */
  OpenTruncates truncates() {
    return truncates;
  }

  /**
   * Notes a truncate. From then on, rows of its table are marked as written behind it, until {@link
   * #applyTruncates}.
   */
  void truncate(Change change) {
    versions.observe(change.sequenceNumber());
    truncates.add(Truncate.of(change));
  }

  /** Whether {@link #applyTruncates} needs the evicted facts of the summary. */
  boolean truncates(EvictionSummary summary) {
    return truncated.concerns(summary);
  }

  /** Applies the open truncates to a user, at their transaction's commit. */
  void applyTruncates(UserFacts user, long now) {
    truncated.apply(user);
    reevaluateAll(user, now);
  }

  private static String userIdOf(Change change) {
    SourceRow row = change.after() == null ? change.before() : change.after();
    if (row instanceof EventRow event) {
      return event.userId();
    }
    return row instanceof AssignmentRow assignment ? assignment.userId() : ((UserRow) row).userId();
  }

  /** Rehydrates the evicted facts of a renamed user, so that they can be moved. */
  void rehydrateRenamed(UserFacts user) {
    rename.rehydrate(user);
  }

  /**
   * Delivers facts under a renamed user's id whose rows stand under a former one.
   *
   * @param stored the events' rows as the warehouse shows them
   * @param mustBeVisible rows that the warehouse does not show are lost
   */
  void moveRenamed(UserFacts user, List<EventRow> stored, boolean mustBeVisible, long now) {
    rename.move(user, stored);
    if (mustBeVisible) {
      rename.giveUp(user);
    }
    if (!user.hasUnmoved()) {
      reevaluateAll(user, now);
    }
  }

  /** Joins the users' facts again with experiments that were deleted or are back. */
  RejoinedFacts rejoined() {
    return rejoined;
  }

  /** Applies what is due without a change: facts whose grace period is over. */
  void applyDue(UserFacts user, long now) {
    if (!user.undecided.isEmpty()) {
      return;
    }
    for (ExperimentFacts facts : user.withPending()) {
      reevaluate(user, facts, now);
    }
  }

  /** Sends what the user contributes to the statistics now, and did not before. */
  void settle(UserFacts user) {
    for (ExperimentFacts facts : List.copyOf(user.unwritten())) {
      statistics.settle(user, facts);
    }
  }

  /**
   * Restates the user's statistics after a change of dimensions.
   *
   * @param now processing time, milliseconds since 1970
   */
  void applyDimensions(UserFacts user, Edit edit, long now) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (edit.experimentId() == summary.experimentId()
          && !rehydration.ensureFacts(user, summary.experimentId())) {
        rehydration.reportLost(user, summary.experimentId(), edit.origin());
      }
    }
    ExperimentFacts facts = user.findIn(edit.experimentId());
    if (facts != null) {
      statistics.ensureCurrent(user, facts, edit.origin());
      statistics.restate(user, facts, edit.origin());
      corrected.afterExperiment(
          user, facts, edit.before(), dimensions.experiment(edit.experimentId()), edit.origin());
    }
    // A correction must not get a version above that of a change that awaits its end.
    if (user.undecided.isEmpty()) {
      reevaluateAll(user, now);
    }
  }

  /**
   * Resolves the findings about a missing experiment or variant, which has arrived, whether or not
   * the rows that refer to it still exist.
   */
  void resolveOrphans(Change reference) {
    if (reference.after() instanceof ExperimentRow experiment) {
      findings.resolveOrphanExperiment(experiment, reference);
    } else {
      findings.resolveOrphanVariant((VariantRow) reference.after(), reference);
    }
  }

  /** Evaluates the references of all pending, flagged and spilled facts again. */
  private void reevaluateAll(UserFacts user, long now) {
    for (ExperimentFacts facts : user.withPending()) {
      reevaluate(user, facts, now);
      events.reevaluateSpilled(user, facts);
    }
  }

  /**
   * Evaluates the references of pending and flagged facts again.
   *
   * @param facts null: none
   */
  private void reevaluate(UserFacts user, ExperimentFacts facts, long now) {
    if (facts != null) {
      statistics.ensureCurrent(user, facts);
      assignments.reevaluate(user, facts, now, () -> events.reevaluateSpilled(user, facts));
      events.reevaluate(user, facts, now);
    }
  }
}
