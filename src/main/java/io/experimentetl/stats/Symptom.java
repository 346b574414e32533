package io.experimentetl.stats;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;

/**
 * What is wrong with an experiment's health as of a moment, whether or not it is reported yet.
 *
 * @param detail one plain sentence for this case
 * @param notBefore it is not reported before that commit time, microseconds since 1970 in UTC
 * @param mayBeLate it may only be half of a change: it is reported when it has lasted for the grace
 */
record Symptom(
    FindingCode code, Subject subject, String detail, long notBefore, boolean mayBeLate) {

  /** Reported at once. */
  static Symptom of(FindingCode code, Subject subject, String detail) {
    return new Symptom(code, subject, detail, Long.MIN_VALUE, false);
  }
}
