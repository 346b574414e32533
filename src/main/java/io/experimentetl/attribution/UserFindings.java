package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.C_DELETE_ERASURE;
import static io.experimentetl.model.FindingCode.C_DELETE_RETENTION;
import static io.experimentetl.model.FindingCode.C_DELETE_UNEXPECTED;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_EVENT_TYPE;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.VariantRow;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.EnumSet;

/** Reports what is found on a user's rows, and closes what is resolved. */
final class UserFindings {
  private final Dimensions dimensions;
  private final RowVersionGenerator versions;
  private final AttributionOutput out;

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

  /** Closes the findings about references that were unresolved before and are not any more. */
  void closeResolved(
      FindingCode[] before, EnumSet<FindingCode> unresolved, EventRow event, Origin origin) {
    for (FindingCode code : before) {
      if (!unresolved.contains(code)) {
        report(code, false, event, origin);
      }
    }
  }

  /** Closes the findings about references that were unresolved before and are not any more. */
  void closeResolved(
      FindingCode[] before, EnumSet<FindingCode> unresolved, AssignmentRow row, Origin origin) {
    for (FindingCode code : before) {
      if (!unresolved.contains(code)) {
        report(code, false, row, origin);
      }
    }
  }

  /** Closes the finding about a missing experiment. */
  void closeOrphanExperiment(ExperimentRow row, Change reference) {
    report(
        R_ORPHAN_EXPERIMENT,
        false,
        experimentSubject(row.id()),
        row.id(),
        null,
        null,
        R_ORPHAN_EXPERIMENT.sentence(),
        Origin.of(reference));
  }

  /** Closes the finding about a missing variant. */
  void closeOrphanVariant(VariantRow row, Change reference) {
    report(
        R_ORPHAN_VARIANT,
        false,
        variantSubject(row.id()),
        row.experimentId(),
        null,
        null,
        R_ORPHAN_VARIANT.sentence(),
        Origin.of(reference));
  }

  void report(FindingCode code, boolean open, EventRow event, Origin origin) {
    String subject =
        switch (code) {
          case R_ORPHAN_EXPERIMENT -> experimentSubject(event.experimentId());
          case R_ORPHAN_VARIANT -> variantSubject(event.variantId());
          case R_ORPHAN_USER -> "user:" + event.userId();
          case R_ORPHAN_ASSIGNMENT -> "user:" + event.experimentId() + "/" + event.userId();
          case T_LATE ->
              "day:"
                  + event.experimentId()
                  + "/"
                  + LocalDate.ofEpochDay(
                      dimensions
                          .calendarOf(dimensions.experiment(event.experimentId()))
                          .dayOf(event.occurredAt()));
          case S_UNKNOWN_EVENT_TYPE -> "event-type:" + event.eventType();
          default -> eventSubject(event.id(), event.occurredAt());
        };
    boolean ofOneEvent = subject.startsWith("event:");
    boolean ofOneUser = ofOneEvent || subject.startsWith("user:");
    report(
        code,
        open,
        subject,
        code == S_UNKNOWN_EVENT_TYPE ? 0 : event.experimentId(),
        ofOneUser ? event.userId() : null,
        ofOneEvent ? event.id() : null,
        code.sentence(),
        origin);
  }

  void report(FindingCode code, boolean open, AssignmentRow row, Origin origin) {
    report(code, open, row, code.sentence(), origin);
  }

  void report(FindingCode code, boolean open, AssignmentRow row, String detail, Origin origin) {
    String subject =
        switch (code) {
          case R_ORPHAN_EXPERIMENT -> experimentSubject(row.experimentId());
          case R_ORPHAN_VARIANT -> variantSubject(row.variantId());
          case R_ORPHAN_USER -> "user:" + row.userId();
          default -> "assignment:" + row.id();
        };
    report(code, open, subject, row.experimentId(), row.userId(), null, detail, origin);
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
        code,
        open,
        "user:" + experimentId + "/" + user.userId,
        experimentId,
        user.userId,
        null,
        detail,
        origin);
  }

  /** Reports that retention deleted rows of a table, once per day of the rows. */
  void reportRetention(String table, long occurredAt, Origin origin) {
    LocalDate day =
        Instant.ofEpochSecond(Math.floorDiv(occurredAt, 1_000_000L))
            .atZone(ZoneOffset.UTC)
            .toLocalDate();
    report(
        C_DELETE_RETENTION,
        true,
        "retention:" + table + "/" + day,
        0,
        null,
        null,
        "rows of %s of %s were deleted; the warehouse keeps them".formatted(table, day),
        origin);
  }

  void reportUnexpectedDelete(UserFacts user, UndecidedDelete delete) {
    report(
        C_DELETE_UNEXPECTED,
        true,
        delete.eventId() == null
            ? "assignment:" + delete.assignmentId()
            : eventSubject(delete.eventId(), delete.occurredAt()),
        delete.experimentId(),
        user.userId,
        delete.eventId(),
        "deleted at the source inside its retention; the statistics were restated",
        delete.origin());
  }

  void reportErasure(long txId, int events, int assignments, Origin origin) {
    report(
        C_DELETE_ERASURE,
        true,
        "erasure:tx-" + txId,
        0,
        null,
        null,
        "a user was erased, with %d events and %d assignments".formatted(events, assignments),
        origin);
  }

  private void report(
      FindingCode code,
      boolean open,
      String subject,
      long experimentId,
      String userId,
      EventId eventId,
      String detail,
      Origin origin) {
    out.finding(
        new Finding(
            code,
            subject,
            open,
            experimentId,
            userId,
            eventId,
            detail,
            origin.committedAt(),
            origin.lsn(),
            versions.nextFinding()));
  }

  private static String experimentSubject(long experimentId) {
    return "experiment:" + experimentId;
  }

  private static String variantSubject(Long variantId) {
    return "variant:" + variantId;
  }

  private static String eventSubject(EventId eventId, long occurredAt) {
    return "event:" + eventId + "@" + occurredAt;
  }
}
