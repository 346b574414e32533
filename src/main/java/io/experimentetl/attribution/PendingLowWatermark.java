package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import java.util.TreeMap;

/**
 * Rows that wait are not visible: as long as one does, a cut must not claim what lies beyond it.
 */
final class PendingLowWatermark {
  private record Waiting(int rows, long committedAt) {}

  /** By the LSN up to which everything is visible as long as the row waits. */
  private final TreeMap<Long, Waiting> waiting = new TreeMap<>();

  void add(long visibleBefore, long committedAt) {
    waiting.merge(
        visibleBefore,
        new Waiting(1, committedAt),
        (a, b) -> new Waiting(a.rows() + b.rows(), Math.min(a.committedAt(), b.committedAt())));
  }

  void remove(long visibleBefore) {
    waiting.computeIfPresent(
        visibleBefore,
        (key, now) -> now.rows() == 1 ? null : new Waiting(now.rows() - 1, now.committedAt()));
  }

  int rows() {
    return waiting.values().stream().mapToInt(Waiting::rows).sum();
  }

  /** The cut, as far as it is true of this subtask. */
  ProgressMarker lower(ProgressMarker marker) {
    if (waiting.isEmpty() || waiting.firstKey() >= marker.lsn()) {
      return marker;
    }
    return new ProgressMarker(
        marker.sequenceNumber(),
        waiting.firstKey(),
        Math.min(marker.committedAt(), waiting.firstEntry().getValue().committedAt() - 1),
        marker.snapshotDone(),
        marker.replayStable());
  }
}
