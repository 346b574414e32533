package io.experimentetl.attribution;

/**
 * The record of one user's facts in one experiment in keyed state: an {@link ExperimentState}, and
 * the {@link ExperimentChange}s that were appended to it. A write costs what has changed, and not
 * what the record contains.
 */
final class ExperimentRecord {
  /** A record is written whole where its changes would take more than this many times its bytes. */
  private static final int MAX_APPENDED_RECORDS = 2;

  /** What is in state, without events and figures; null: there is no record. */
  private ExperimentState written;

  private int appendedBytes;

  /** Whether there is a record. */
  boolean isThere() {
    return written != null;
  }

  /** Notes what was read. */
  void read(ExperimentState now, int bytesOfChanges) {
    written = now;
    appendedBytes = bytesOfChanges;
  }

  /** Writes facts whose events and figures are in their entries. */
  void write(UserStorage storage, String key, ExperimentFacts facts) {
    byte[] events = facts.events.takeChanges();
    byte[] figures = facts.figures.takeChanges();
    ExperimentState now = facts.toState(FactEntries.NO_BYTES, FactEntries.NO_BYTES);
    if (events != null && figures != null && now.isChangeOf(written)) {
      if (events.length == 0 && figures.length == 0 && now.isSameAs(written)) {
        return;
      }
      byte[] change = ExperimentChangeSerializer.write(ExperimentChange.of(now, events, figures));
      if (appendedBytes + change.length <= MAX_APPENDED_RECORDS * storage.maxBytesInRecord()) {
        storage.appendToExperiment(key, facts.experimentId, change);
        appendedBytes += change.length;
        written = now;
        return;
      }
    }
    storage.putExperiment(
        key, facts.experimentId, facts.toState(facts.events.inRecord(), facts.figures.inRecord()));
    clearAppended(storage, key, facts.experimentId);
    written = now;
  }

  /** Removes the record, if there is one. */
  void remove(UserStorage storage, String key, long experimentId) {
    if (written != null) {
      storage.putExperiment(key, experimentId, null);
      clearAppended(storage, key, experimentId);
      written = null;
    }
  }

  private void clearAppended(UserStorage storage, String key, long experimentId) {
    if (appendedBytes > 0) {
      storage.clearAppended(key, experimentId);
      appendedBytes = 0;
    }
  }
}
