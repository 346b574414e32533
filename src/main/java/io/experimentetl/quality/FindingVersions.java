package io.experimentetl.quality;

import io.experimentetl.model.Change;
import io.experimentetl.model.RowVersion;

/**
 * Versions of findings. Of two findings with one code and one subject, the one with the greater
 * version is current. A version follows from the stream alone, so an operator that reads the stream
 * again after a restart reports the same versions.
 *
 * <p>{@code attribute} is the exception: several of its subtasks report about one subject, so it
 * generates versions that are unique among subtasks.
 */
public final class FindingVersions {
  private FindingVersions() {}

  /** The version of a finding that a change shows. */
  public static long of(Change change) {
    return RowVersion.ofSequenceNumber(change.sequenceNumber());
  }

  /**
   * The version of a finding that a change resolves, below every finding that the change shows:
   * another operator may report the same code and subject for the same change.
   */
  public static long below(Change change) {
    return of(change) - 1;
  }

  /** The version of a finding that a timer shows after a change, above what the change showed. */
  public static long decidedAfter(long sequenceNumber) {
    return RowVersion.ofSequenceNumber(sequenceNumber) + 1;
  }

  /**
   * The version of a judgement at a progress marker.
   *
   * @param previous the version of the judgement before; 0: there is none
   * @param sequenceNumber of the progress marker
   */
  public static long atMarker(long previous, long sequenceNumber) {
    return Math.max(previous + 1, RowVersion.ofSequenceNumber(sequenceNumber));
  }
}
