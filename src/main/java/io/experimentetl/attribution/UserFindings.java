package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.A_REASSIGNED;
import static io.experimentetl.model.FindingCode.C_DELETE_ERASURE;
import static io.experimentetl.model.FindingCode.C_DELETE_RETENTION;
import static io.experimentetl.model.FindingCode.C_DELETE_UNEXPECTED;
import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_ENUM;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_EVENT_TYPE;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangedRows;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import io.experimentetl.model.VariantRow;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.EnumSet;
import java.util.Objects;

/**
 * Turns the codes found on a user's rows into findings: chooses the subject of each, opens it, and
 * resolves it when its cause has gone.
 */
final class UserFindings {
  private final Dimensions dimensions;
  private final RowVersionGenerator versions;
  private final AttributionOutput out;

  /** The day that was named last: late rows mostly share it; null: none. */
  private Subject lastDay;

  private int lastDayEpoch;
  private long lastDayExperiment;

  UserFindings(Dimensions dimensions, RowVersionGenerator versions, AttributionOutput out) {
    this.dimensions = dimensions;
    this.versions = versions;
    this.out = out;
  }

  void open(EnumSet<FindingCode> codes, EventRow event, Origin origin) {
    for (FindingCode code : codes) {
      report(code, true, event, origin);
    }
  }

  void open(EnumSet<FindingCode> codes, AssignmentRow row, Origin origin) {
    for (FindingCode code : codes) {
      report(code, true, row, origin);
    }
  }

  /**
   * Resolves the findings about a flagged event's references that have arrived.
   *
   * @param event the row now; an update may have changed it
   */
  void resolveArrivedReferences(
      PendingEvent flagged, EnumSet<FindingCode> unresolved, EventRow event, Origin origin) {
    for (FindingCode code : flagged.unresolved()) {
      // All users share the finding about a missing variant; no longer naming it resolves nothing.
      boolean isOfAnotherVariant =
          code == R_ORPHAN_VARIANT
              && !Objects.equals(flagged.event().variantId(), event.variantId());
      if (!unresolved.contains(code) && !isOfAnotherVariant) {
        report(code, false, event, origin);
      }
    }
  }

  /** Resolves the findings about a flagged assignment's references that have arrived. */
  void resolveArrivedReferences(
      FindingCode[] before, EnumSet<FindingCode> unresolved, AssignmentRow row, Origin origin) {
    for (FindingCode code : before) {
      if (!unresolved.contains(code)) {
        report(code, false, row, origin);
      }
    }
  }

  /** Resolves the finding about a missing experiment. */
  void resolveOrphanExperiment(ExperimentRow row, Change reference) {
    report(
        Finding.resolved(R_ORPHAN_EXPERIMENT, Subject.experiment(row.id())).inExperiment(row.id()),
        Origin.of(reference));
  }

  /** Resolves the finding about a missing variant. */
  void resolveOrphanVariant(VariantRow row, Change reference) {
    report(
        Finding.resolved(R_ORPHAN_VARIANT, Subject.variant(row.id()))
            .inExperiment(row.experimentId()),
        Origin.of(reference));
  }

  /**
   * Opens or resolves a finding on an event. Its subject is the event, unless the code is about
   * something that several events share: a missing reference, a day, an event type.
   */
  void report(FindingCode code, boolean open, EventRow event, Origin origin) {
    if (code == C_UPDATE_IMMUTABLE) {
      Subject row = Subject.event(event.id(), event.occurredAt());
      out.changedRows(changed(code, event.experimentId(), row, origin));
      return;
    }
    Finding.Draft finding =
        switch (code) {
          case R_ORPHAN_EXPERIMENT ->
              Finding.of(code, Subject.experiment(event.experimentId()), open);
          case R_ORPHAN_VARIANT -> Finding.of(code, Subject.variant(event.variantId()), open);
          case R_ORPHAN_USER -> Finding.of(code, Subject.user(event.userId()), open);
          case R_ORPHAN_ASSIGNMENT ->
              Finding.of(code, Subject.experimentUser(event.experimentId(), event.userId()), open)
                  .aboutUser(event.userId());
          case T_LATE -> Finding.of(code, dayOf(event), open);
          case S_UNKNOWN_EVENT_TYPE -> Finding.of(code, Subject.eventType(event.eventType()), open);
          default ->
              Finding.of(code, Subject.event(event.id(), event.occurredAt()), open)
                  .aboutUser(event.userId())
                  .aboutEvent(event.id());
        };
    if (code != S_UNKNOWN_EVENT_TYPE) {
      finding.inExperiment(event.experimentId());
    }
    report(finding, origin);
  }

  private Subject dayOf(EventRow event) {
    ExperimentCalendar calendar =
        dimensions.calendarOf(dimensions.experiment(event.experimentId()));
    int day = calendar.dayOf(event.occurredAt());
    if (lastDay == null || lastDayEpoch != day || lastDayExperiment != event.experimentId()) {
      lastDay = Subject.experimentDay(event.experimentId(), LocalDate.ofEpochDay(day));
      lastDayEpoch = day;
      lastDayExperiment = event.experimentId();
    }
    return lastDay;
  }

  /**
   * Opens or resolves a finding on an assignment. Its subject is the assignment, unless the code is
   * about a missing reference.
   */
  void report(FindingCode code, boolean open, AssignmentRow row, Origin origin) {
    if (code == A_REASSIGNED) {
      out.changedRows(changed(code, row.experimentId(), Subject.assignment(row.id()), origin));
      return;
    }
    String detail =
        code == S_UNKNOWN_ENUM
            ? "column source: the product does not know the value " + Finding.quoted(row.source())
            : code.sentence();
    Subject subject =
        switch (code) {
          case R_ORPHAN_EXPERIMENT -> Subject.experiment(row.experimentId());
          case R_ORPHAN_VARIANT -> Subject.variant(row.variantId());
          case R_ORPHAN_USER -> Subject.user(row.userId());
          default -> Subject.assignment(row.id());
        };
    report(
        Finding.of(code, subject, open)
            .inExperiment(row.experimentId())
            .aboutUser(row.userId())
            .detail(detail),
        origin);
  }

  /** Reports about a user in an experiment. */
  void report(
      FindingCode code,
      boolean open,
      UserFacts user,
      long experimentId,
      String detail,
      Origin origin) {
    report(
        Finding.of(code, Subject.experimentUser(experimentId, user.userId), open)
            .inExperiment(experimentId)
            .aboutUser(user.userId)
            .detail(detail),
        origin);
  }

  /** Reports that retention deleted rows of a table, once per day of the rows. */
  void reportRetention(String table, long occurredAt, Origin origin) {
    LocalDate day =
        Instant.ofEpochSecond(Math.floorDiv(occurredAt, 1_000_000L))
            .atZone(ZoneOffset.UTC)
            .toLocalDate();
    report(
        Finding.opened(C_DELETE_RETENTION, Subject.tableDay(table, day))
            .detail(
                "rows of %s of %s were deleted; the warehouse keeps them".formatted(table, day)),
        origin);
  }

  /** Reports a fact that was deleted inside its retention, with the others of its experiment. */
  void reportUnexpectedDelete(DeletedFacts.Deleted delete) {
    Subject row =
        delete.eventId() == null
            ? Subject.assignment(delete.assignmentId())
            : Subject.event(delete.eventId(), delete.occurredAt());
    out.changedRows(changed(C_DELETE_UNEXPECTED, delete.experimentId(), row, delete.origin()));
  }

  private static ChangedRows changed(
      FindingCode code, long experimentId, Subject row, Origin origin) {
    return new ChangedRows(
        code,
        experimentId,
        origin.lsn(),
        origin.visibleBefore(),
        origin.visibleBefore(),
        origin.sequenceNumber(),
        origin.committedAt(),
        1,
        new Subject[] {row});
  }

  void reportErasure(long txId, int events, int assignments, Origin origin) {
    report(
        Finding.opened(C_DELETE_ERASURE, Subject.transaction(txId))
            .detail(
                "a user was erased, with %d events and %d assignments"
                    .formatted(events, assignments)),
        origin);
  }

  private void report(Finding.Draft finding, Origin origin) {
    out.finding(finding.at(origin.committedAt(), origin.lsn(), versions.nextFinding()));
  }
}
