package io.experimentetl.outbox;

import static io.experimentetl.model.FindingCode.O_OUTBOX_WITHOUT_EVENT;
import static io.experimentetl.model.FindingCode.O_PAYLOAD_MISMATCH;
import static io.experimentetl.model.FindingCode.O_STUCK;

import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.OutboxRow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Decides about one event and its outbox rows, or about one other outbox row: which rows are
 * relayed, and which do not match the event. A row is relayed when it is first seen without {@code
 * processed_at}. It is relayed again only on request: when {@code processed_at} is set back to
 * NULL, or by any update of a row that is stuck.
 *
 * <p>Only rows of the stream are compared, and only if they were committed at least one grace
 * period after the stream began. The other half of an older row may have been deleted long ago.
 */
final class OutboxReconciliation {
  /** How long an open finding waits to be resolved. After that the state is deleted. */
  static final long KEEP_MILLIS = Duration.ofDays(1).toMillis();

  /** Longest time between reading a chunk of the snapshot and the commits at that moment. */
  private static final long OVERLAP_MILLIS = Duration.ofMinutes(1).toMillis();

  private static final int MAX_VERSIONS = 16;

  private final OutboxConfig config;
  private final OutboxFindings findings;
  private final List<OutboxEntry> rows = new ArrayList<>();
  private final List<EventVersion> versions = new ArrayList<>();
  private long awaitingRowSince;
  private long eventSequenceNumber;
  private long eventLsn;
  private boolean withoutOutbox;
  private long deletedInTxId;
  private long lastSeenAt;

  /**
   * Continues from the state.
   *
   * @param eventId null: the outbox row names no event
   * @param state null: nothing is known yet
   */
  OutboxReconciliation(OutboxConfig config, EventId eventId, OutboxState state) {
    this.config = config;
    this.findings = new OutboxFindings(eventId);
    if (state != null) {
      rows.addAll(Arrays.asList(state.rows()));
      versions.addAll(Arrays.asList(state.versions()));
      awaitingRowSince = state.awaitingRowSince();
      eventSequenceNumber = state.eventSequenceNumber();
      eventLsn = state.eventLsn();
      withoutOutbox = state.withoutOutbox();
      deletedInTxId = state.deletedInTxId();
      lastSeenAt = state.lastSeenAt();
    }
  }

  /** The state to keep, or null if there is none. */
  OutboxState toState() {
    return rows.isEmpty() && versions.isEmpty() && deletedInTxId == 0
        ? null
        : new OutboxState(
            rows.toArray(OutboxEntry[]::new),
            versions.toArray(EventVersion[]::new),
            awaitingRowSince,
            eventSequenceNumber,
            eventLsn,
            withoutOutbox,
            deletedInTxId,
            lastSeenAt);
  }

  List<Finding> findings() {
    return findings.reported();
  }

  /**
   * Applies a change of an outbox row.
   *
   * @param payload of the row
   * @param now milliseconds since 1970
   * @param compared the change was committed late enough after the stream began
   * @return whether the row must be relayed
   */
  boolean applyRow(Change change, OutboxPayload payload, long now, boolean compared) {
    if (change.after() == null) {
      removeRow(change, ((OutboxRow) change.before()).id());
      return false;
    }
    OutboxRow row = (OutboxRow) change.after();
    observe(change);
    int index = indexOf(row.id());
    if (row.processedAt() != null) {
      if (index < 0) {
        add(entry(change, row, payload, Long.MAX_VALUE, compared), change);
      } else {
        acknowledge(change, index);
      }
      return false;
    }
    long stuckAt =
        Math.max(now, change.position().committedAt() / 1000) + config.stuckAfter().toMillis();
    if (index < 0) {
      add(entry(change, row, payload, stuckAt, compared), change);
      return true;
    }
    if (!isRequestedAgain(change, rows.get(index))) {
      return false;
    }
    resolveStuck(change, rows.get(index));
    rows.set(index, rows.get(index).relayedAgain(stuckAt, change));
    return true;
  }

  private static boolean isRequestedAgain(Change change, OutboxEntry row) {
    if (change.kind() != ChangeKind.UPDATE) {
      return false;
    }
    return row.acknowledged()
        ? change.before() instanceof OutboxRow before && before.processedAt() != null
        : row.stuck();
  }

  private OutboxEntry entry(
      Change change, OutboxRow row, OutboxPayload payload, long stuckAt, boolean compared) {
    return new OutboxEntry(
        row.id(),
        change.sequenceNumber(),
        change.position().lsn(),
        change.position().committedAt() / 1000,
        row.processedAt() != null,
        stuckAt,
        false,
        compared && change.kind() == ChangeKind.INSERT && needsEvent(payload.type()),
        false,
        payload.type(),
        payload.occurredAt(),
        payload.userId(),
        payload.experimentId(),
        payload.variantId());
  }

  private boolean needsEvent(String eventType) {
    return eventType != null && config.eventTypes().contains(eventType);
  }

  private void add(OutboxEntry row, Change change) {
    rows.add(row);
    if (withoutOutbox) {
      withoutOutbox = false;
      findings.resolveMissingRow(
          versions.get(0), "an outbox row arrived", lastSeenAt * 1000, change);
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
      findings.resolve(O_STUCK, row, "the row was acknowledged, relayed again or deleted", change);
    }
  }

  /**
   * Applies a change of the stream to the event's row.
   *
   * @param compared the change was committed late enough after the stream began; an earlier event
   *     needs no outbox row, but a later row may need it
   */
  void applyEvent(Change change, boolean compared) {
    observe(change);
    if (change.after() == null) {
      deletedInTxId = change.position().txId();
      if (withoutOutbox) {
        findings.resolveMissingRow(
            versions.get(0), "the event was deleted", lastSeenAt * 1000, change);
      }
      withoutOutbox = false;
      awaitingRowSince = 0;
      return;
    }
    boolean isFirstVersion = versions.isEmpty();
    remember(EventVersion.of((EventRow) change.after()));
    boolean inserted =
        compared && change.kind() == ChangeKind.INSERT && change.position().txId() != deletedInTxId;
    if (inserted && rows.isEmpty() && awaitingRowSince == 0 && !withoutOutbox) {
      awaitingRowSince = change.position().committedAt() / 1000;
      eventSequenceNumber = change.sequenceNumber();
      eventLsn = change.position().lsn();
    }
    for (int i = 0; i < rows.size() && isFirstVersion; i++) {
      OutboxEntry row = rows.get(i);
      if (row.withoutEvent()) {
        rows.set(i, row.withoutEvent(false));
        findings.resolve(O_OUTBOX_WITHOUT_EVENT, row, "the event arrived", change);
      }
      compare(row, change);
    }
  }

  private void remember(EventVersion version) {
    if (!versions.contains(version)) {
      if (versions.size() == MAX_VERSIONS) {
        versions.remove(0);
      }
      versions.add(version);
    }
  }

  /** Reports the row unless it matches any version of the event. */
  private void compare(OutboxEntry row, Change change) {
    if (!row.comparedWithEvent()) {
      return;
    }
    String contradicted = null;
    for (EventVersion version : versions) {
      contradicted = version.contradictedBy(row);
      if (contradicted == null) {
        return;
      }
    }
    findings.open(
        O_PAYLOAD_MISMATCH,
        row,
        "the payload's " + contradicted + " differs from the event's",
        change);
  }

  /**
   * Decides what is due.
   *
   * @param time all changes up to it have arrived, milliseconds since 1970
   */
  void decide(long time) {
    decideEvent(time);
    for (int i = 0; i < rows.size(); i++) {
      rows.set(i, decide(rows.get(i), time));
    }
    if (forgottenAt() <= time) {
      rows.clear();
      versions.clear();
      deletedInTxId = 0;
      awaitingRowSince = 0;
      withoutOutbox = false;
    }
  }

  private void decideEvent(long time) {
    if (awaitingRowSince != 0 && !rows.isEmpty()) {
      awaitingRowSince = 0;
    }
    if (awaitingRowSince != 0 && awaitingRowSince + config.grace().toMillis() <= time) {
      awaitingRowSince = 0;
      withoutOutbox = true;
      findings.openMissingRow(
          versions.get(0),
          "no outbox row within " + config.grace(),
          lastSeenAt * 1000,
          eventSequenceNumber,
          eventLsn);
    }
  }

  private OutboxEntry decide(OutboxEntry row, long time) {
    OutboxEntry decided = row;
    if (isAwaitingEvent(row) && row.seenAt() + config.grace().toMillis() <= time) {
      decided = decided.withoutEvent(true);
      findings.open(
          O_OUTBOX_WITHOUT_EVENT,
          decided,
          "no event within " + config.grace(),
          row.seenAt() * 1000);
    }
    if (row.stuckAt() <= time) {
      decided = decided.asStuck();
      findings.open(
          O_STUCK,
          decided,
          "processed_at is still NULL " + config.stuckAfter() + " after the row was relayed",
          time * 1000);
    }
    return decided;
  }

  private boolean isAwaitingEvent(OutboxEntry row) {
    return row.comparedWithEvent() && !row.withoutEvent() && versions.isEmpty();
  }

  /** When the next decision is due, milliseconds since 1970; {@link Long#MAX_VALUE}: never. */
  long nextDecision() {
    long next = Long.MAX_VALUE;
    if (awaitingRowSince != 0) {
      next = awaitingRowSince + config.grace().toMillis();
    }
    for (OutboxEntry row : rows) {
      if (isAwaitingEvent(row)) {
        next = Math.min(next, row.seenAt() + config.grace().toMillis());
      }
      next = Math.min(next, row.stuckAt());
    }
    return Math.min(next, forgottenAt());
  }

  /**
   * When the state is deleted, milliseconds since 1970. Without open findings it is kept only as
   * long as the same change may arrive again, with open findings as long as they may be resolved.
   * An unacknowledged row is kept until PostgreSQL deletes it.
   */
  private long forgottenAt() {
    if (!rows.stream().allMatch(OutboxEntry::acknowledged)) {
      return Long.MAX_VALUE;
    }
    boolean open = withoutOutbox || rows.stream().anyMatch(OutboxEntry::withoutEvent);
    return lastSeenAt + (open ? KEEP_MILLIS : Math.max(OVERLAP_MILLIS, config.grace().toMillis()));
  }

  private void observe(Change change) {
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
}
