package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import java.util.TreeMap;

/**
 * The position in the log that is visible although rows are pending: a progress marker must not
 * claim what lies beyond the earliest of them.
 */
final class PendingLowWatermark {
  private record Pending(int rows, long committedAt) {}

  /** Pending rows by the LSN up to which everything is visible while they are pending. */
  private final TreeMap<Long, Pending> pending = new TreeMap<>();

  /** Adds a pending row. */
  void add(Origin origin) {
    pending.merge(
        origin.visibleBefore(),
        new Pending(1, origin.committedAt()),
        (a, b) -> new Pending(a.rows() + b.rows(), Math.min(a.committedAt(), b.committedAt())));
  }

  /** The row is not pending any more. */
  void remove(Origin origin) {
    pending.computeIfPresent(
        origin.visibleBefore(),
        (lsn, now) -> now.rows() == 1 ? null : new Pending(now.rows() - 1, now.committedAt()));
  }

  int rows() {
    return pending.values().stream().mapToInt(Pending::rows).sum();
  }

  /** The marker, as far as this subtask's rows are visible. */
  ProgressMarker lower(ProgressMarker marker) {
    if (pending.isEmpty() || pending.firstKey() >= marker.lsn()) {
      return marker;
    }
    return new ProgressMarker(
        marker.sequenceNumber(),
        pending.firstKey(),
        Math.min(marker.committedAt(), pending.firstEntry().getValue().committedAt() - 1),
        marker.snapshotDone(),
        marker.replayStable(),
        marker.inTransaction());
  }
}
