package io.experimentetl.local.traffic;

import java.time.Instant;

/** An event row of the generated traffic. */
record TrafficEvent(
    String id,
    TrafficUser user,
    long experiment,
    Long variant,
    String type,
    Instant assignedAt,
    String properties,
    String session,
    Instant time) {
  TrafficEvent with(String otherProperties, Instant otherTime) {
    return new TrafficEvent(
        id, user, experiment, variant, type, assignedAt, otherProperties, session, otherTime);
  }
}
