package io.experimentetl.local.traffic;

import io.experimentetl.local.traffic.TrafficCatalogue.Variant;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/** A user of the generated traffic, with the assignments by experiment. */
final class TrafficUser {
  final String id;
  final Map<Long, Assignment> assignments = new HashMap<>();
  boolean present = true;

  TrafficUser(String id) {
    this.id = id;
  }

  /** One assignment of the user. */
  static final class Assignment {
    final long id;
    Variant variant;
    final Instant assignedAt;
    Instant enrolledAt;

    Assignment(long id, Variant variant, Instant assignedAt) {
      this.id = id;
      this.variant = variant;
      this.assignedAt = assignedAt;
    }
  }
}
