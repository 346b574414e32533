package io.experimentetl.maintenance;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Optional;

/**
 * How long events are kept, where both the configuration and {@code partition_config} have a
 * policy: the longer one holds.
 */
final class EventPolicy {
  private EventPolicy() {}

  /** What {@code partition_config} says of events, in months; empty: it has no such row. */
  static Optional<Integer> configuredMonths(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet known = statement.executeQuery("SELECT to_regclass('partition_config')")) {
      known.next();
      if (known.getString(1) == null) {
        return Optional.empty();
      }
    }
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT retention_months FROM partition_config WHERE table_name = 'events'")) {
      return row.next() ? Optional.of(row.getInt(1)) : Optional.empty();
    }
  }

  /** Tells the SQL functions the configuration's policy, so that they drop nothing below it. */
  static void write(Connection connection, Duration policy) throws SQLException {
    if (configuredMonths(connection).isEmpty()) {
      return;
    }
    try (PreparedStatement update =
        connection.prepareStatement(
            "UPDATE partition_config SET policy_months = ? WHERE table_name = 'events' AND policy_months IS DISTINCT FROM ?")) {
      update.setInt(1, PolicyMonths.of(policy));
      update.setInt(2, PolicyMonths.of(policy));
      update.executeUpdate();
    }
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
