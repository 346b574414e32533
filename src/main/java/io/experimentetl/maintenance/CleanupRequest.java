package io.experimentetl.maintenance;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.operations.OperationsException;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;

/**
 * What a clean-up shall do.
 *
 * @param dryRun whether it only counts
 * @param ages the age above which rows of each part go; never below the policy
 */
public record CleanupRequest(boolean dryRun, Map<Part, Duration> ages) {

  /** A part of the data with a retention of its own. */
  public enum Part {
    EVENTS("events"),
    ASSIGNMENTS("assignments"),
    OUTBOX("outbox_events"),
    EXPERIMENTS("experiments"),
    /** All tables of ClickHouse, each by its TTL. */
    CLICKHOUSE("clickhouse");

    private final String text;

    Part(String text) {
      this.text = text;
    }

    /** Its table, or {@code clickhouse}. */
    public String text() {
      return text;
    }

    /**
     * The part of a name.
     *
     * @throws OperationsException if there is none
     */
    public static Part of(String name) {
      for (Part part : values()) {
        if (part.text.equals(name)) {
          return part;
        }
      }
      throw new OperationsException(
          name
              + " has no clean-up: it is one of events, assignments, outbox_events, experiments, clickhouse");
    }
  }

  /** A value below the policy. */
  public static final class BelowPolicyException extends OperationsException {
    private static final long serialVersionUID = 1L;

    private BelowPolicyException(Part part, Duration age, Duration policy) {
      super(
          "A retention of %d days is below the policy of %s, which is %d days: retention.postgres of the configuration is the policy."
              .formatted(age.toDays(), part.text, policy.toDays()));
    }
  }

  public CleanupRequest {
    ages = Map.copyOf(ages);
  }

  /**
   * A clean-up by the policies.
   *
   * @param parts empty: all
   * @param days of parts that shall keep rows for longer than their policy
   * @throws BelowPolicyException if one would keep them for less
   */
  public static CleanupRequest of(
      RetentionConfig policies, boolean dryRun, Set<Part> parts, Map<Part, Integer> days) {
    Map<Part, Duration> ages = new EnumMap<>(Part.class);
    for (Part part : parts.isEmpty() ? Set.of(Part.values()) : parts) {
      Duration policy = policy(policies, part);
      Duration age = days.containsKey(part) ? Duration.ofDays(days.get(part)) : policy;
      if (age.compareTo(policy) < 0) {
        throw new BelowPolicyException(part, age, policy);
      }
      ages.put(part, age);
    }
    return new CleanupRequest(dryRun, ages);
  }

  /** ClickHouse's tables have policies of their own: there the age has no meaning. */
  static Duration policy(RetentionConfig policies, Part part) {
    return switch (part) {
      case EVENTS -> policies.postgres().events();
      case ASSIGNMENTS -> policies.postgres().assignments();
      case OUTBOX -> policies.postgres().outboxEvents();
      case EXPERIMENTS -> policies.postgres().experiments();
      case CLICKHOUSE -> Duration.ZERO;
    };
  }
}
