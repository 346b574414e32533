package io.experimentetl.maintenance;

import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.CleanupReport.Counting;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.ClickHouseSession;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.SqlFiles;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * ClickHouse's TTLs. {@code sql/clickhouse/900_retention.sql} says of what each table's rows are as
 * old; the configuration says how old they become.
 */
final class WarehouseRetention {
  private static final Pattern STATEMENT =
      Pattern.compile(
          "(?s)ALTER TABLE (\\w+) .*?MODIFY TTL (.+) \\+ INTERVAL (\\d+) DAY (SETTINGS .*)");
  private static final Pattern TTL =
      Pattern.compile("TTL .*?toInterval(Second|Day|Week|Month|Quarter|Year)\\((\\d+)\\)");

  private final ClickHouseLogin clickHouse;
  private final RetentionConfig.Warehouse policies;

  /** Whether only the archive may remove events and assignments. */
  private final boolean archiving;

  private WarehouseRetention(
      ClickHouseLogin clickHouse, RetentionConfig.Warehouse policies, boolean archiving) {
    this.clickHouse = clickHouse;
    this.policies = policies;
    this.archiving = archiving;
  }

  /** The TTLs of a deployment's warehouse. */
  static WarehouseRetention of(Databases databases) {
    JobConfig config = databases.config();
    return new WarehouseRetention(
        databases.clickHouse(), config.retention().clickhouse(), config.archive().isOn());
  }

  /**
   * A table with a policy.
   *
   * @param age an expression, the time from which a row's age is counted
   * @param actualDays its TTL; empty: it has none
   * @param archived whether it must have none, because the archive removes its rows
   */
  record Ttl(
      String table,
      String age,
      long policyDays,
      OptionalLong actualDays,
      boolean archived,
      String statement) {
    boolean differs() {
      return archived
          ? actualDays.isPresent()
          : actualDays.isEmpty() || actualDays.getAsLong() != policyDays;
    }
  }

  /** The tables as they are. */
  List<Ttl> ttls() {
    try (ClickHouseSession session = clickHouse.connect()) {
      return ttls(session);
    }
  }

  private List<Ttl> ttls(ClickHouseSession session) {
    Map<String, String> engines = new LinkedHashMap<>();
    session.list(
        "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()",
        row -> engines.put(row.getString(1), row.getString(2)));
    List<Ttl> ttls = new ArrayList<>();
    for (String sql : SqlFiles.bundled().warehouseRetention()) {
      Matcher statement = STATEMENT.matcher(sql);
      if (statement.find() && engines.containsKey(statement.group(1))) {
        policy(statement.group(1))
            .ifPresent(
                policy -> {
                  long days = days(policy);
                  ttls.add(
                      new Ttl(
                          statement.group(1),
                          statement.group(2),
                          days,
                          actual(engines.get(statement.group(1))),
                          archiving && isArchived(statement.group(1)),
                          "ALTER TABLE %s MODIFY TTL %s + INTERVAL %d DAY %s"
                              .formatted(
                                  statement.group(1),
                                  statement.group(2),
                                  days,
                                  statement.group(4))));
                });
      }
    }
    return ttls;
  }

  private static boolean isArchived(String table) {
    return Arrays.stream(ArchivedTable.values())
        .anyMatch(archived -> archived.warehouseTable().equals(table));
  }

  /**
   * Takes the TTLs of the archived tables away, for good: they would remove rows that are not yet
   * archived.
   */
  void stopForArchive() {
    try (ClickHouseSession session = clickHouse.connect()) {
      ttls(session).stream().filter(Ttl::archived).forEach(ttl -> removeTtl(session, ttl));
    }
  }

  private static void removeTtl(ClickHouseSession session, Ttl ttl) {
    for (ArchivedTable archived : ArchivedTable.values()) {
      if (archived.warehouseTable().equals(ttl.table())) {
        session.execute(archived.guard());
      }
    }
    if (ttl.differs()) {
      session.execute("ALTER TABLE %s REMOVE TTL".formatted(ttl.table()));
    }
  }

  private Optional<Duration> policy(String table) {
    return switch (table) {
      case "events_processed" -> Optional.of(policies.events());
      case "assignments_processed" -> Optional.of(policies.assignments());
      case "experiment_daily_stats", "experiment_health_daily" ->
          Optional.of(policies.dailyStatistics());
      default -> Optional.empty();
    };
  }

  /** Whole days, never fewer. */
  private static long days(Duration policy) {
    return policy.plusDays(1).minusNanos(1).toDays();
  }

  /** The TTL in a table's definition, in days. */
  static OptionalLong actual(String engine) {
    Matcher ttl = TTL.matcher(engine);
    if (!ttl.find()) {
      return OptionalLong.empty();
    }
    long number = Long.parseLong(ttl.group(2));
    return OptionalLong.of(
        switch (ttl.group(1)) {
          case "Second" -> number / 86_400;
          case "Week" -> number * 7;
          case "Month" -> number * 1461 / 48;
          case "Quarter" -> number * 1461 / 16;
          case "Year" -> number * 1461 / 4;
          default -> number;
        });
  }

  /**
   * Sets each TTL that differs from its policy, and has the partitions with expired rows rewritten.
   * A table without a TTL is left as it is: someone wants to keep its rows. Archived tables have
   * none.
   */
  List<CleanupReport.Table> cleanUp(Instant now, boolean dryRun) {
    List<CleanupReport.Table> tables = new ArrayList<>();
    try (ClickHouseSession session = clickHouse.connect()) {
      for (Ttl ttl : ttls(session)) {
        tables.add(cleanUp(session, ttl, now.minus(Duration.ofDays(ttl.policyDays())), dryRun));
      }
    }
    return tables;
  }

  private static CleanupReport.Table cleanUp(
      ClickHouseSession session, Ttl ttl, Instant olderThan, boolean dryRun) {
    Counting counting = new Counting();
    String note = null;
    if (ttl.archived()) {
      note = "archive removes its rows, month by month" + (ttl.differs() ? "; its TTL goes" : "");
      if (!dryRun) {
        removeTtl(session, ttl);
      }
    } else if (ttl.actualDays().isEmpty()) {
      note = "the table has no TTL, so nothing is removed: apply sql/clickhouse/900_retention.sql";
    } else {
      Set<String> partitions = count(session, ttl, olderThan, counting);
      if (ttl.differs()) {
        note =
            "TTL %d days, by the policy %d"
                .formatted(ttl.actualDays().getAsLong(), ttl.policyDays());
      }
      if (!dryRun) {
        remove(session, ttl, partitions);
      }
    }
    return counting.table("clickhouse", ttl.table(), olderThan.toString(), note);
  }

  /** Counts the expired rows and returns the ids of their partitions. */
  private static Set<String> count(
      ClickHouseSession session, Ttl ttl, Instant olderThan, Counting counting) {
    Set<String> partitions = new LinkedHashSet<>();
    session.list(
        "SELECT _partition_id, toString(toDate32(%s)), count() FROM %s WHERE %s < toDateTime(%d, 'UTC') GROUP BY 1, 2 ORDER BY 1, 2"
            .formatted(ttl.age(), ttl.table(), ttl.age(), olderThan.getEpochSecond()),
        row -> {
          counting.add(row.getString(2), row.getLong(3), 0);
          partitions.add(row.getString(1));
          return null;
        });
    return partitions;
  }

  private static void remove(ClickHouseSession session, Ttl ttl, Set<String> partitions) {
    if (ttl.differs()) {
      session.execute(ttl.statement());
    }
    for (String partition : partitions) {
      session.execute(
          "ALTER TABLE %s MATERIALIZE TTL IN PARTITION ID '%s' SETTINGS mutations_sync = 1"
              .formatted(ttl.table(), partition));
    }
  }
}
