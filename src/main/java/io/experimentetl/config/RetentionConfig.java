package io.experimentetl.config;

import static io.experimentetl.config.ValueType.CENTURY;
import static io.experimentetl.config.ValueType.duration;

import java.io.Serializable;
import java.time.Duration;

/**
 * How long each store keeps its rows. Clean-ups, ClickHouse's TTLs, and what the job and the audit
 * take for retention follow from it. Users are kept for ever.
 */
public record RetentionConfig(Postgres postgres, Warehouse clickhouse) implements Serializable {
  private static final Duration MINIMUM = Duration.ofDays(1);

  /**
   * The ages at which a clean-up deletes rows of PostgreSQL.
   *
   * @param events by {@code timestamp}; a delete of an older event does not reach the warehouse
   * @param assignments by {@code assigned_at}; the same holds
   * @param outboxEvents by {@code created_at}, of acknowledged rows
   * @param experiments by {@code ends_at}, with their variants
   */
  public record Postgres(
      Duration events, Duration assignments, Duration outboxEvents, Duration experiments)
      implements Serializable {
    private static Postgres read(Section section) {
      return new Postgres(
          days(section, "events", 90),
          days(section, "assignments", 365),
          days(section, "outbox-events", 30),
          days(section, "experiments", 730));
    }
  }

  /**
   * The ages at which ClickHouse removes rows.
   *
   * @param dailyStatistics by {@code day}, of statistics and health
   */
  public record Warehouse(Duration events, Duration assignments, Duration dailyStatistics)
      implements Serializable {
    private static Warehouse read(Section section) {
      return new Warehouse(
          days(section, "events", 730),
          days(section, "assignments", 730),
          days(section, "daily-statistics", 1826));
    }
  }

  /** The default of every key. */
  public static RetentionConfig defaults() {
    return read(Section.empty("retention"));
  }

  private static Duration days(Section section, String key, int defaultDays) {
    return section.get(key, duration(MINIMUM, CENTURY), Duration.ofDays(defaultDays));
  }

  static RetentionConfig read(Section section) {
    RetentionConfig config =
        new RetentionConfig(
            section.group("postgres", Postgres::read),
            section.group("clickhouse", Warehouse::read));
    requireNotShorter(section, "events", config.clickhouse.events, config.postgres.events);
    requireNotShorter(
        section, "assignments", config.clickhouse.assignments, config.postgres.assignments);
    return config;
  }

  /** The audit would miss every row between the two ages. */
  private static void requireNotShorter(
      Section section, String table, Duration warehouse, Duration source) {
    if (warehouse.compareTo(source) < 0) {
      section.error(
          "clickhouse." + table,
          "is shorter than retention.postgres." + table + ".",
          "ClickHouse keeps rows at least as long as PostgreSQL: raise it.");
    }
  }
}
