package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_CROSSOVER;
import static io.experimentetl.model.FindingCode.R_ORPHAN_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.T_ENROLL_MISMATCH;

import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.UserRow;
import java.time.Duration;
import java.util.List;

/**
 * Takes a user's facts along to a new id. In state they stay where they are, so the statistics do
 * not change. In the warehouse each row gets a version under the new id, and a tombstone under the
 * former one: either with the change by which PostgreSQL lets the fact follow, or, where retention
 * has removed it there, behind the transaction's end.
 */
final class UserRename {
  /** ClickHouse's own retention: an older row may be gone. */
  private static final long EXPIRY_MICROS = Duration.ofDays(730).toMillis() * 1000;

  private final UserStatistics statistics;
  private final Rehydration rehydration;
  private final UserFindings findings;
  private final AssignmentAttribution assignments;
  private final EventAttribution events;
  private final BotCheck bots;

  UserRename(
      AttributionSteps steps,
      AssignmentAttribution assignments,
      EventAttribution events,
      BotCheck bots) {
    this.statistics = steps.statistics();
    this.rehydration = steps.rehydration();
    this.findings = steps.findings();
    this.assignments = assignments;
    this.events = events;
    this.bots = bots;
  }

  /** Gives the user the new id. No fact is pending. */
  void rename(UserFacts user, Change change) {
    Origin origin = Origin.of(change);
    UserRow after = (UserRow) change.after();
    for (ExperimentFacts facts : user.experiments()) {
      statistics.ensureCurrent(user, facts);
      resolveFindings(user, facts, origin);
    }
    user.rename(after.userId(), origin);
    user.user = after;
    for (ExperimentFacts facts : user.experiments()) {
      bots.checkAll(user, facts, origin);
      report(A_CROSSOVER, facts.isCrossoverReported, true, user, facts, origin);
      report(T_ENROLL_MISMATCH, facts.isEnrolmentReported, true, user, facts, origin);
    }
  }

  private void resolveFindings(UserFacts user, ExperimentFacts facts, Origin origin) {
    report(A_CROSSOVER, facts.isCrossoverReported, false, user, facts, origin);
    report(T_ENROLL_MISMATCH, facts.isEnrolmentReported, false, user, facts, origin);
    for (PendingEvent held : facts.pendingEvents) {
      for (FindingCode code : held.unresolved()) {
        if (code == R_ORPHAN_USER || code == R_ORPHAN_ASSIGNMENT) {
          findings.report(code, false, held.event(), origin);
        }
      }
    }
    for (PendingAssignment held : facts.pendingAssignments) {
      if (List.of(held.unresolved()).contains(R_ORPHAN_USER)) {
        findings.report(R_ORPHAN_USER, false, held.assignment(), origin);
      }
    }
  }

  private void report(
      FindingCode code,
      boolean holds,
      boolean open,
      UserFacts user,
      ExperimentFacts facts,
      Origin origin) {
    if (holds) {
      findings.report(
          code,
          open,
          user,
          facts.experimentId,
          open ? code.sentence() : "the user has another id now",
          origin);
    }
  }

  /** Rehydrates the evicted facts whose rows stand under a former id, so that they can be moved. */
  void rehydrate(UserFacts user) {
    for (EvictionSummary summary : List.copyOf(user.evicted())) {
      if (summary.formerId() != null
          && !summary.lost()
          && !rehydration.ensureFacts(user, summary.experimentId())) {
        rehydration.reportLost(user, summary.experimentId(), user.renamed());
      }
    }
  }

  /**
   * Delivers facts under the user's id whose rows stand under a former one.
   *
   * @param stored the events' rows as the warehouse shows them
   */
  void move(UserFacts user, List<EventRow> stored) {
    for (ExperimentFacts facts : user.experiments()) {
      assignments.move(user, facts, user.renamed());
    }
    for (EventRow row : stored) {
      events.move(user, row, user.renamed());
    }
  }

  /** Gives up the rows that the warehouse does not have, although it must by now. */
  void giveUp(UserFacts user) {
    long expired = user.renamed().committedAt() - EXPIRY_MICROS;
    for (UnmovedFacts facts : user.unmoved()) {
      if (facts.events.stream().anyMatch(event -> event.occurredAt() > expired)) {
        rehydration.reportLost(user, facts.experimentId, user.renamed());
      }
    }
    user.unmoved().clear();
  }
}
