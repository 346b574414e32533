package io.experimentetl.attribution;

import io.experimentetl.model.Cut;
import java.util.TreeMap;

/**
 * Rows that wait are not visible: as long as one does, a cut must not claim what lies beyond it.
 */
final class WaitingFloor {
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
  Cut lower(Cut cut) {
    if (waiting.isEmpty() || waiting.firstKey() >= cut.lsn()) {
      return cut;
    }
    return new Cut(
        cut.stamp(),
        waiting.firstKey(),
        Math.min(cut.committedAt(), waiting.firstEntry().getValue().committedAt() - 1),
        cut.snapshotDone(),
        cut.repeatable());
  }
}
