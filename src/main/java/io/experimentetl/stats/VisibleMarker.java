package io.experimentetl.stats;

import io.experimentetl.clickhouse.ProgressMarker;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * The progress marker of the last completed checkpoint. Another thread may read its age, also while
 * the task or a checkpoint hangs.
 */
final class VisibleMarker {
  private final NavigableMap<Long, ProgressMarker> incomplete = new TreeMap<>();
  private volatile long committedAt;

  /** Takes a marker; the first one counts as visible, so that the age has a beginning. */
  void arrived(ProgressMarker marker) {
    if (committedAt == 0) {
      committedAt = marker.committedAt();
    }
  }

  void checkpointBegins(long checkpointId, ProgressMarker marker) {
    incomplete.put(checkpointId, marker);
  }

  void checkpointCompleted(long checkpointId) {
    Map.Entry<Long, ProgressMarker> complete = incomplete.floorEntry(checkpointId);
    if (complete != null) {
      committedAt = complete.getValue().committedAt();
      incomplete.headMap(checkpointId, true).clear();
    }
  }

  /**
   * The age of the newest visible commit; 0: none is known.
   *
   * @param now milliseconds since 1970
   */
  long lagMillis(long now) {
    return committedAt == 0 ? 0 : Math.max(0, now - committedAt / 1000);
  }
}
