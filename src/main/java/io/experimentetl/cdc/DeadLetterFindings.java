package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.model.UnreadableRow;
import io.experimentetl.quality.FindingReporter;
import io.experimentetl.quality.FindingVersions;
import io.experimentetl.warehouse.WarehouseRange;

/** Reports the rows that cannot be delivered, until they are delivered or gone at the source. */
final class DeadLetterFindings {
  private final DeadLetterLedger ledger;
  private final FindingReporter findings;

  DeadLetterFindings(DeadLetterLedger ledger, FindingReporter findings) {
    this.ledger = ledger;
    this.findings = findings;
  }

  /** The row as one that cannot be delivered, or null if it can. */
  static UnreadableRow unreadable(SourceTable table, SourceRow row) {
    if (row instanceof UnreadableRow unreadable) {
      return unreadable;
    }
    String column = WarehouseRange.keyOutside(table, row);
    return column == null
        ? null
        : new UnreadableRow(
            table,
            Subject.row(table, row),
            row instanceof EventRow event ? event.id() : null,
            FindingCode.S_UNPARSEABLE,
            column,
            "the time is outside of 1900 to 2299");
  }

  void add(Change change, UnreadableRow row) {
    Subject subject = row.subject();
    DeadLetterLedger.Row before = ledger.of(subject);
    if (before != null && before.code() != row.code()) {
      resolve(change, before);
    }
    long since = ledger.add(subject, row.code(), change.position().committedAt());
    findings.report(
        Finding.opened(row.code(), subject)
            .aboutEvent(row.eventId())
            .detail("column %s: %s".formatted(row.column(), row.reason()))
            .deadLetterSince(since)
            .at(change, FindingVersions.of(change)));
  }

  /** Resolves the row's dead letter, if it has one. */
  void resolve(Change change, SourceRow row) {
    if (ledger.size() > 0) {
      DeadLetterLedger.Row before = ledger.of(Subject.row(change.table(), row));
      if (before != null) {
        resolve(change, before);
      }
    }
  }

  private void resolve(Change change, DeadLetterLedger.Row before) {
    ledger.remove(before.subject());
    // Below the version of a finding that attribute may report about the same row and change.
    findings.report(
        Finding.resolved(before.code(), before.subject())
            .detail("delivered, or gone at the source")
            .deadLetterSince(before.since())
            .at(change, FindingVersions.below(change)));
  }

  /** Resolves the dead letters of the table that the truncate is of. */
  void resolveAll(Change truncate, SubjectKind kind) {
    String prefix = truncate.before() instanceof ReplicatedRow table ? table.table() + ":" : "";
    for (DeadLetterLedger.Row before : ledger.all()) {
      if (before.subject().kind() == kind && before.subject().key().startsWith(prefix)) {
        resolve(truncate, before);
      }
    }
  }
}
