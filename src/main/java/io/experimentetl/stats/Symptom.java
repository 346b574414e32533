package io.experimentetl.stats;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;

/**
 * Something that is wrong with an experiment's health at a moment, reported or not.
 *
 * @param detail one plain sentence for this case
 * @param notBefore commit time before which it is not reported, microseconds since 1970 in UTC
 * @param mayBeLate it may be one half of a change: it is reported after the grace period
 */
record Symptom(
    FindingCode code, Subject subject, String detail, long notBefore, boolean mayBeLate) {

  /** A symptom that is reported at once. */
  static Symptom of(FindingCode code, Subject subject, String detail) {
    return new Symptom(code, subject, detail, Long.MIN_VALUE, false);
  }
}
