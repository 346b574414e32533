package io.experimentetl.stats;

import io.experimentetl.model.FindingCode;
import io.experimentetl.model.Subject;

/**
 * A symptom that an experiment shows; a record of keyed state.
 *
 * @param detail as it was reported last
 * @param since commit time at which it first showed, microseconds since 1970 in UTC
 * @param open it was reported
 */
public record HealthVerdict(
    FindingCode code, Subject subject, String detail, long since, boolean open) {}
