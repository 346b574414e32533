package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;

/**
 * The progress that this subtask may claim: up to the source's last marker, but not beyond a
 * pending row. Rows that were pending at a restart are not known one by one; until they must have
 * been delivered, the progress stays where it was.
 */
final class VisibleProgress {
  static final ProgressMarker NONE = new ProgressMarker(0, 0, 0, false, false);

  private final PendingLowWatermark lowWatermark;
  private final ProgressMarker restored;
  private final long restoredUntil;
  private ProgressMarker marker;

  /**
   * The progress after a start.
   *
   * @param restored of the checkpoint; null: there is none
   * @param restoredUntil processing time until which rows of the checkpoint may be pending,
   *     milliseconds since 1970
   */
  VisibleProgress(PendingLowWatermark lowWatermark, ProgressMarker restored, long restoredUntil) {
    this.lowWatermark = lowWatermark;
    this.restored = restored;
    this.restoredUntil = restoredUntil;
  }

  /** Takes the source's next marker. */
  void advance(ProgressMarker next) {
    marker = next;
  }

  /** The source's last marker, or null where none has arrived. */
  ProgressMarker marker() {
    return marker;
  }

  /**
   * The marker to send, or {@link #NONE} where none has arrived.
   *
   * @param now processing time, milliseconds since 1970
   */
  ProgressMarker at(long now) {
    if (marker == null) {
      return NONE;
    }
    ProgressMarker visible = lowWatermark.lower(marker);
    boolean restoredRowsMayBePending = restored != null && now < restoredUntil;
    return restoredRowsMayBePending && restored.lsn() < visible.lsn()
        ? new ProgressMarker(
            visible.sequenceNumber(),
            restored.lsn(),
            Math.min(visible.committedAt(), restored.committedAt()),
            visible.snapshotDone(),
            visible.replayStable(),
            visible.inTransaction())
        : visible;
  }
}
