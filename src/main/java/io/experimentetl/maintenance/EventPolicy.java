package io.experimentetl.maintenance;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How long events are kept, where both the configuration and {@code partition_config} have a
 * policy: the longer one holds.
 */
final class EventPolicy {
  private EventPolicy() {}

  /** What {@code partition_config} says of events, in months; empty: it has no such row. */
  static Optional<Integer> configuredMonths(Connection connection) throws SQLException {
    boolean isThere =
        (boolean)
            SqlRows.query(
                    connection, "SELECT to_regclass('partition_config') IS NOT NULL AS is_there")
                .get(0)
                .get("is_there");
    if (!isThere) {
      return Optional.empty();
    }
    List<Map<String, Object>> rows =
        SqlRows.query(
            connection,
            "SELECT retention_months FROM partition_config WHERE table_name = 'events'");
    return rows.stream().findFirst().map(row -> (Integer) row.get("retention_months"));
  }

  /** Tells the SQL functions the configuration's policy, so that they drop nothing below it. */
  static void write(Connection connection, Duration policy) throws SQLException {
    if (configuredMonths(connection).isEmpty()) {
      return;
    }
    int months = PolicyMonths.of(policy);
    SqlRows.update(
        connection,
        "UPDATE partition_config SET policy_months = ? WHERE table_name = 'events' AND policy_months IS DISTINCT FROM ?",
        months,
        months);
  }

  /**
   * The time before which events go.
   *
   * @param age at least the policy
   * @param configured months of {@code partition_config}
   */
  static Instant cutoff(Instant now, Duration age, Duration policy, Optional<Integer> configured) {
    Instant byAge = now.minus(age);
    return configured
        .filter(months -> months > PolicyMonths.of(policy))
        .map(months -> PolicyMonths.before(now.atZone(ZoneOffset.UTC), months).toInstant())
        .filter(byMonths -> byMonths.isBefore(byAge))
        .orElse(byAge);
  }
}
