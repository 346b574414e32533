package io.experimentetl.outbox;

import static io.experimentetl.model.FindingCode.O_EVENT_WITHOUT_OUTBOX;
import static io.experimentetl.model.FindingCode.O_OUTBOX_WITHOUT_EVENT;
import static io.experimentetl.model.FindingCode.O_PAYLOAD_MISMATCH;
import static io.experimentetl.model.FindingCode.O_STUCK;

import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.Subject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Decides about one event id with its outbox rows, or about one other outbox row: what is relayed,
 * and what does not fit. A row is relayed when it is first seen without {@code processed_at}, and
 * again only where somebody asks for it: by taking {@code processed_at} back, or by any update of a
 * row that is stuck.
 *
 * <p>Only what the stream brings is held against each other, and only what was committed a grace
 * period behind the stream's begin: of older rows the other half may have been cleaned up, or
 * erased, long ago.
 */
final class OutboxSubject {
  /** How long a finding waits for what resolves it; the state is let go of then. */
  static final long KEEP_MILLIS = Duration.ofDays(1).toMillis();

  /** Between the reading of a chunk of the snapshot and the commits of that moment. */
  private static final long OVERLAP_MILLIS = Duration.ofMinutes(1).toMillis();

  private static final int MOST_VERSIONS = 16;

  private final OutboxConfig config;
  private final EventId eventId;
  private final List<Finding> findings = new ArrayList<>();
  private final List<OutboxEntry> rows = new ArrayList<>();
  private final List<EventVersion> versions = new ArrayList<>();
  private long eventSince;
  private long eventSequenceNumber;
  private long eventLsn;
  private boolean withoutOutbox;
  private long goneTxId;
  private long lastSeenAt;

  /**
   * @param eventId null: the subject is no event
   * @param state null: nothing is known yet
   */
  OutboxSubject(OutboxConfig config, EventId eventId, OutboxState state) {
    this.config = config;
    this.eventId = eventId;
    if (state != null) {
      rows.addAll(Arrays.asList(state.rows()));
      versions.addAll(Arrays.asList(state.versions()));
      eventSince = state.eventSince();
      eventSequenceNumber = state.eventSequenceNumber();
      eventLsn = state.eventLsn();
      withoutOutbox = state.withoutOutbox();
      goneTxId = state.goneTxId();
      lastSeenAt = state.lastSeenAt();
    }
  }

  /** The state to keep, or null where nothing is left to know. */
  OutboxState toState() {
    return rows.isEmpty() && versions.isEmpty() && goneTxId == 0
        ? null
        : new OutboxState(
            rows.toArray(OutboxEntry[]::new),
            versions.toArray(EventVersion[]::new),
            eventSince,
            eventSequenceNumber,
            eventLsn,
            withoutOutbox,
            goneTxId,
            lastSeenAt);
  }

  List<Finding> findings() {
    return findings;
  }

  /**
   * Takes a change of an outbox row.
   *
   * @param payload what the row says
   * @param now milliseconds since 1970
   * @param judged it lies far enough behind the stream's begin
   * @return whether the row is to be relayed
   */
  boolean takeRow(Change change, OutboxPayload payload, long now, boolean judged) {
    if (change.after() == null) {
      removeRow(change, ((OutboxRow) change.before()).id());
      return false;
    }
    OutboxRow row = (OutboxRow) change.after();
    seen(change);
    int index = indexOf(row.id());
    if (row.processedAt() != null) {
      if (index < 0) {
        add(entry(change, row, payload, Long.MAX_VALUE, judged), change);
      } else {
        acknowledge(change, index);
      }
      return false;
    }
    long stuckAt =
        Math.max(now, change.position().committedAt() / 1000) + config.stuckAfter().toMillis();
    if (index < 0) {
      add(entry(change, row, payload, stuckAt, judged), change);
      return true;
    }
    if (!isAskedForAgain(change, rows.get(index))) {
      return false;
    }
    resolveStuck(change, rows.get(index));
    rows.set(index, rows.get(index).relayedAgain(stuckAt));
    return true;
  }

  private static boolean isAskedForAgain(Change change, OutboxEntry row) {
    if (change.kind() != ChangeKind.UPDATE) {
      return false;
    }
    return row.acknowledged()
        ? change.before() instanceof OutboxRow before && before.processedAt() != null
        : row.stuck();
  }

  private OutboxEntry entry(
      Change change, OutboxRow row, OutboxPayload payload, long stuckAt, boolean judged) {
    return new OutboxEntry(
        row.id(),
        change.sequenceNumber(),
        change.position().lsn(),
        change.position().committedAt() / 1000,
        row.processedAt() != null,
        stuckAt,
        false,
        judged && change.kind() == ChangeKind.INSERT && isHeld(payload.type()),
        false,
        payload.type(),
        payload.occurredAt(),
        payload.userId(),
        payload.experimentId(),
        payload.variantId());
  }

  private boolean isHeld(String eventType) {
    return eventType != null && config.eventTypes().contains(eventType);
  }

  private void add(OutboxEntry row, Change change) {
    rows.add(row);
    if (withoutOutbox) {
      withoutOutbox = false;
      reportEvent(
          false, "an outbox row has come", change.sequenceNumber(), 0, change.position().lsn());
    }
    if (!versions.isEmpty()) {
      compare(row, change);
    }
  }

  private void acknowledge(Change change, int index) {
    resolveStuck(change, rows.get(index));
    rows.set(index, rows.get(index).asAcknowledged());
  }

  private void removeRow(Change change, long id) {
    int index = indexOf(id);
    if (index >= 0) {
      resolveStuck(change, rows.get(index));
      rows.remove(index);
    }
  }

  private void resolveStuck(Change change, OutboxEntry row) {
    if (row.stuck()) {
      reportRow(
          O_STUCK,
          false,
          row,
          "the row was acknowledged, relayed again or deleted",
          change.sequenceNumber(),
          0,
          change.position().lsn(),
          change.position().committedAt());
    }
  }

  /** Takes a change of a row of the event, far enough behind the stream's begin. */
  void takeEvent(Change change) {
    seen(change);
    if (change.after() == null) {
      goneTxId = change.position().txId();
      if (withoutOutbox) {
        reportEvent(
            false, "the event is gone", change.sequenceNumber(), 0, change.position().lsn());
      }
      withoutOutbox = false;
      eventSince = 0;
      return;
    }
    EventVersion version = EventVersion.of((EventRow) change.after());
    boolean isNew = versions.isEmpty();
    if (!versions.contains(version)) {
      if (versions.size() == MOST_VERSIONS) {
        versions.remove(0);
      }
      versions.add(version);
    }
    boolean inserted = change.kind() == ChangeKind.INSERT && change.position().txId() != goneTxId;
    if (inserted && rows.isEmpty() && eventSince == 0 && !withoutOutbox) {
      eventSince = change.position().committedAt() / 1000;
      eventSequenceNumber = change.sequenceNumber();
      eventLsn = change.position().lsn();
    }
    for (int i = 0; i < rows.size() && isNew; i++) {
      OutboxEntry row = rows.get(i);
      if (row.withoutEvent()) {
        rows.set(i, row.withoutEvent(false));
        reportRow(
            O_OUTBOX_WITHOUT_EVENT,
            false,
            row,
            "the event has come",
            change.sequenceNumber(),
            0,
            change.position().lsn(),
            change.position().committedAt());
      }
      compare(row, change);
    }
  }

  private void compare(OutboxEntry row, Change change) {
    if (!row.heldAgainstEvent()) {
      return;
    }
    String contradicted = null;
    for (EventVersion version : versions) {
      contradicted = version.contradictedBy(row);
      if (contradicted == null) {
        return;
      }
    }
    reportRow(
        O_PAYLOAD_MISMATCH,
        true,
        row,
        "the payload's " + contradicted + " is not the event's",
        change.sequenceNumber(),
        0,
        change.position().lsn(),
        change.position().committedAt());
  }

  /**
   * Decides what is due.
   *
   * @param time up to which all has come, milliseconds since 1970
   */
  void decide(long time) {
    if (eventSince != 0 && !rows.isEmpty()) {
      eventSince = 0;
    }
    if (eventSince != 0 && eventSince + config.grace().toMillis() <= time) {
      eventSince = 0;
      withoutOutbox = true;
      reportEvent(true, "no outbox row within " + config.grace(), eventSequenceNumber, 1, eventLsn);
    }
    for (int i = 0; i < rows.size(); i++) {
      OutboxEntry row = rows.get(i);
      if (lacksEvent(row) && row.seenAt() + config.grace().toMillis() <= time) {
        row = row.withoutEvent(true);
        reportRow(
            O_OUTBOX_WITHOUT_EVENT,
            true,
            row,
            "no event within " + config.grace(),
            row.sequenceNumber(),
            1,
            row.lsn(),
            row.seenAt() * 1000);
      }
      if (row.stuckAt() <= time) {
        row = row.asStuck();
        reportRow(
            O_STUCK,
            true,
            row,
            "processed_at is still NULL " + config.stuckAfter() + " after the row was relayed",
            row.sequenceNumber(),
            1,
            row.lsn(),
            time * 1000);
      }
      rows.set(i, row);
    }
    if (forgottenAt() <= time) {
      rows.clear();
      versions.clear();
      goneTxId = 0;
      eventSince = 0;
      withoutOutbox = false;
    }
  }

  private boolean lacksEvent(OutboxEntry row) {
    return row.heldAgainstEvent() && !row.withoutEvent() && versions.isEmpty();
  }

  /** When there is something to decide, milliseconds since 1970; {@link Long#MAX_VALUE}: never. */
  long nextDecision() {
    long next = Long.MAX_VALUE;
    if (eventSince != 0) {
      next = eventSince + config.grace().toMillis();
    }
    for (OutboxEntry row : rows) {
      if (lacksEvent(row)) {
        next = Math.min(next, row.seenAt() + config.grace().toMillis());
      }
      next = Math.min(next, row.stuckAt());
    }
    return Math.min(next, forgottenAt());
  }

  /**
   * What is settled is only kept for what may still repeat it, what is open for what may close it,
   * and a row without its acknowledgement as long as PostgreSQL keeps it.
   */
  private long forgottenAt() {
    if (!rows.stream().allMatch(OutboxEntry::acknowledged)) {
      return Long.MAX_VALUE;
    }
    boolean open = withoutOutbox || rows.stream().anyMatch(OutboxEntry::withoutEvent);
    return lastSeenAt + (open ? KEEP_MILLIS : Math.max(OVERLAP_MILLIS, config.grace().toMillis()));
  }

  private void seen(Change change) {
    lastSeenAt = Math.max(lastSeenAt, change.position().committedAt() / 1000);
  }

  private int indexOf(long id) {
    for (int i = 0; i < rows.size(); i++) {
      if (rows.get(i).id() == id) {
        return i;
      }
    }
    return -1;
  }

  private void reportEvent(
      boolean open, String detail, long sequenceNumber, int revision, long lsn) {
    EventVersion event = versions.get(0);
    findings.add(
        Finding.of(O_EVENT_WITHOUT_OUTBOX, Subject.event(eventId, event.occurredAt()), open)
            .inExperiment(event.experimentId())
            .aboutUser(event.userId())
            .detail(detail)
            .at(lastSeenAt * 1000, lsn, RowVersion.ofSequenceNumber(sequenceNumber) + revision));
  }

  private void reportRow(
      FindingCode code,
      boolean open,
      OutboxEntry row,
      String detail,
      long sequenceNumber,
      int revision,
      long lsn,
      long observedAt) {
    findings.add(
        Finding.of(code, Subject.outboxEvent(row.id()), open)
            .inExperiment(row.experimentId() == null ? 0 : row.experimentId())
            .aboutUser(row.userId())
            .aboutEvent(eventId)
            .detail(detail)
            .at(observedAt, lsn, RowVersion.ofSequenceNumber(sequenceNumber) + revision));
  }
}
