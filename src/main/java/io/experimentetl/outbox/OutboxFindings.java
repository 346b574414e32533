package io.experimentetl.outbox;

import static io.experimentetl.model.FindingCode.O_EVENT_WITHOUT_OUTBOX;

import io.experimentetl.model.Change;
import io.experimentetl.model.EventId;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.FindingVersions;
import java.util.ArrayList;
import java.util.List;

/** The findings about one event and its outbox rows, or about one other outbox row. */
final class OutboxFindings {
  private final EventId eventId;
  private final List<Finding> reported = new ArrayList<>();

  /**
   * No finding yet.
   *
   * @param eventId null: the outbox row names no event
   */
  OutboxFindings(EventId eventId) {
    this.eventId = eventId;
  }

  List<Finding> reported() {
    return reported;
  }

  /** Opens O-EVENT-WITHOUT-OUTBOX when the grace period of the event's insert has passed. */
  void openMissingRow(
      EventVersion event, String detail, long observedAt, long sequenceNumber, long lsn) {
    reported.add(
        aboutEvent(event, true, detail)
            .at(observedAt, lsn, FindingVersions.decidedAfter(sequenceNumber)));
  }

  /** Resolves O-EVENT-WITHOUT-OUTBOX. */
  void resolveMissingRow(EventVersion event, String detail, long observedAt, Change change) {
    reported.add(
        aboutEvent(event, false, detail)
            .at(observedAt, change.position().lsn(), FindingVersions.of(change)));
  }

  private Finding.Draft aboutEvent(EventVersion event, boolean open, String detail) {
    return Finding.of(O_EVENT_WITHOUT_OUTBOX, Subject.event(eventId, event.occurredAt()), open)
        .inExperiment(event.experimentId())
        .aboutUser(event.userId())
        .detail(detail);
  }

  /** Opens a finding about a row that a change shows. */
  void open(FindingCode code, OutboxEntry row, String detail, Change change) {
    reported.add(aboutRow(code, true, row, detail).at(change, FindingVersions.of(change)));
  }

  /** Opens a finding about a row that a timer shows. */
  void open(FindingCode code, OutboxEntry row, String detail, long observedAt) {
    reported.add(
        aboutRow(code, true, row, detail)
            .at(observedAt, row.lsn(), FindingVersions.decidedAfter(row.sequenceNumber())));
  }

  /** Resolves a finding about a row. */
  void resolve(FindingCode code, OutboxEntry row, String detail, Change change) {
    reported.add(aboutRow(code, false, row, detail).at(change, FindingVersions.of(change)));
  }

  private Finding.Draft aboutRow(FindingCode code, boolean open, OutboxEntry row, String detail) {
    return Finding.of(code, Subject.outboxEvent(row.id()), open)
        .inExperiment(row.experimentId() == null ? 0 : row.experimentId())
        .aboutUser(row.userId())
        .aboutEvent(eventId)
        .detail(detail);
  }
}
