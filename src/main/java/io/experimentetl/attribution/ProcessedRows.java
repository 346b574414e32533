package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import java.util.EnumSet;

/** Joins facts with their dimensions and sends the rows of the warehouse, and their tombstones. */
final class ProcessedRows {
  private final Dimensions dimensions;
  private final AttributionOutput out;

  ProcessedRows(Dimensions dimensions, AttributionOutput out) {
    this.dimensions = dimensions;
    this.out = out;
  }

  /**
   * Sends a known event with the violations and the unresolved references found on it. Its row says
   * so if the source no longer has it although its age does not.
   */
  void send(
      UserFacts user,
      ExperimentFacts facts,
      EventRow event,
      EnumSet<FindingCode> violations,
      EnumSet<FindingCode> unresolved,
      RowVersion version) {
    EventFact fact = facts.events.find(event.id(), event.occurredAt());
    boolean isKept = FactMark.isRetentionDeleted(fact.mark());
    send(
        user,
        facts.assignment(),
        event,
        union(violations, unresolved),
        isKept ? version.keptBeyondSource() : version);
  }

  /**
   * Sends an event.
   *
   * @param assignment the user's assignment in the event's experiment, or null
   */
  void send(
      UserFacts user,
      AssignmentRow assignment,
      EventRow event,
      FindingCode[] codes,
      RowVersion version) {
    ExperimentDimension experiment = dimensions.experiment(event.experimentId());
    VariantDimension delivered =
        event.variantId() == null ? null : dimensions.variant(event.variantId());
    VariantDimension assigned =
        assignment == null ? null : dimensions.variant(assignment.variantId());
    out.event(
        new EventProcessed(
            event,
            experiment == null ? "" : experiment.key(),
            experiment == null ? "" : experiment.name(),
            delivered == null ? "" : delivered.key(),
            delivered == null ? "" : delivered.name(),
            assignment == null ? null : assignment.variantId(),
            assigned == null ? "" : assigned.key(),
            user.user == null ? null : user.user.properties(),
            dimensions.calendarOf(experiment).dayOf(event.occurredAt()),
            codes,
            version));
  }

  /**
   * Sends an assignment.
   *
   * @param sequence of the change that brought it; 0: the snapshot read it
   */
  void send(
      UserFacts user,
      AssignmentRow row,
      long sequence,
      EnumSet<FindingCode> codes,
      RowVersion version) {
    ExperimentDimension experiment = dimensions.experiment(row.experimentId());
    VariantDimension variant = dimensions.variant(row.variantId());
    out.assignment(
        new AssignmentProcessed(
            row,
            experiment == null ? "" : experiment.key(),
            experiment == null ? "" : experiment.name(),
            variant == null ? "" : variant.key(),
            variant == null ? "" : variant.name(),
            user.user == null ? null : user.user.properties(),
            dimensions.calendarOf(experiment).dayOf(row.assignedAt()),
            sequence,
            FindingCode.toArray(codes),
            version));
  }

  /** Writes tombstones for all delivered rows of the user in the experiment, under this id. */
  void writeTombstones(String userId, ExperimentFacts facts, RowVersion tombstone) {
    facts.events.forEach(
        event ->
            writeTombstone(userId, facts.experimentId, event.id(), event.occurredAt(), tombstone));
    for (AssignmentRow row : facts.assignments()) {
      writeTombstone(row.withUserId(userId), tombstone);
    }
  }

  void writeTombstone(EventRow event, RowVersion tombstone) {
    writeTombstone(event.userId(), event.experimentId(), event.id(), event.occurredAt(), tombstone);
  }

  void writeTombstone(
      String userId, long experimentId, EventId eventId, long occurredAt, RowVersion tombstone) {
    out.event(
        new EventProcessed(
            EventRow.ofKey(eventId, occurredAt, experimentId, userId),
            "",
            "",
            "",
            "",
            null,
            "",
            null,
            dayOf(experimentId, occurredAt),
            FindingCode.NO_CODES,
            tombstone));
  }

  void writeTombstone(AssignmentRow row, RowVersion tombstone) {
    out.assignment(
        new AssignmentProcessed(
            new AssignmentRow(
                row.id(),
                row.experimentId(),
                row.userId(),
                row.variantId(),
                row.version(),
                row.source(),
                null,
                row.assignedAt(),
                null,
                row.createdAt(),
                row.updatedAt(),
                row.sourceId()),
            "",
            "",
            "",
            "",
            null,
            dayOf(row.experimentId(), row.assignedAt()),
            0,
            FindingCode.NO_CODES,
            tombstone));
  }

  /**
   * Deletes the event's row under a former id of the user, if it stands there.
   *
   * @return whether it did
   */
  boolean leaveFormerId(UserFacts user, EventRow event, RowVersion tombstone) {
    String formerId = user.moveEvent(event.experimentId(), event.id(), event.occurredAt());
    if (formerId != null) {
      writeTombstone(event.withUserId(formerId), tombstone);
    }
    return formerId != null;
  }

  /**
   * Deletes the assignment's row under a former id of the user, if it stands there.
   *
   * @return whether it did
   */
  boolean leaveFormerId(UserFacts user, AssignmentRow row, RowVersion tombstone) {
    String formerId = user.moveAssignment(row.experimentId(), row.id());
    if (formerId != null) {
      writeTombstone(row.withUserId(formerId), tombstone);
    }
    return formerId != null;
  }

  /** The day of a row of the experiment, in its zone: days since 1970-01-01. */
  int dayOf(long experimentId, long occurredAt) {
    return dimensions.calendarOf(dimensions.experiment(experimentId)).dayOf(occurredAt);
  }

  private static FindingCode[] union(EnumSet<FindingCode> codes, EnumSet<FindingCode> more) {
    if (more.isEmpty()) {
      return FindingCode.toArray(codes);
    }
    EnumSet<FindingCode> all = EnumSet.copyOf(more);
    all.addAll(codes);
    return FindingCode.toArray(all);
  }
}
