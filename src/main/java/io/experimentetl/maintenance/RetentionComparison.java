package io.experimentetl.maintenance;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.PostgresLogin;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The configured policies beside what is true in PostgreSQL, in ClickHouse and in the job. */
public final class RetentionComparison {
  private final PostgresLogin postgres;
  private final WarehouseRetention warehouse;
  private final RetentionConfig policies;
  private final Optional<RetentionConfig> ofJob;

  /**
   * A comparison.
   *
   * @param ofJob with which the running job was started; empty: not known
   */
  public RetentionComparison(Databases databases, Optional<RetentionConfig> ofJob) {
    this.postgres = databases.postgres();
    this.warehouse = WarehouseRetention.of(databases);
    this.policies = databases.config().retention();
    this.ofJob = ofJob;
  }

  /**
   * One policy.
   *
   * @param store {@code postgresql}, {@code clickhouse} or {@code job}
   * @param policyDays null: for ever
   * @param actual what is true there, in words
   * @param agrees whether it is the policy
   * @param holds what is done, in words: the longer one
   */
  public record Policy(
      String store, String table, Long policyDays, String actual, boolean agrees, String holds) {}

  /** All of them. */
  public List<Policy> policies() throws SQLException {
    List<Policy> rows = new ArrayList<>();
    RetentionConfig.Postgres source = policies.postgres();
    try (Connection connection = postgres.connect()) {
      rows.add(events(source.events(), EventPolicy.configuredMonths(connection)));
    }
    rows.add(cleanedUp("assignments", source.assignments()));
    rows.add(cleanedUp("outbox_events", source.outboxEvents()));
    rows.add(cleanedUp("experiments", source.experiments()));
    rows.add(cleanedUp("variants", source.experiments()));
    rows.add(new Policy("postgresql", "users", null, "no clean-up", true, "for ever"));
    for (WarehouseRetention.Ttl ttl : warehouse.ttls()) {
      rows.add(
          new Policy(
              "clickhouse",
              ttl.table(),
              ttl.policyDays(),
              ttl.actualDays().isEmpty() ? "no TTL" : "TTL " + days(ttl.actualDays().getAsLong()),
              !ttl.differs(),
              holds(ttl)));
    }
    rows.add(job("events", source.events(), ofJob.map(job -> job.postgres().events())));
    rows.add(
        job("assignments", source.assignments(), ofJob.map(job -> job.postgres().assignments())));
    return rows;
  }

  private static String holds(WarehouseRetention.Ttl ttl) {
    if (ttl.archived()) {
      return ttl.differs()
          ? "the TTL, until the next clean-up or archive takes it away"
          : days(ttl.policyDays()) + ", until archive has moved the month";
    }
    if (ttl.actualDays().isEmpty()) {
      return "for ever, until 900_retention.sql is applied";
    }
    return ttl.differs()
        ? "the TTL, until the next clean-up sets the policy"
        : days(ttl.policyDays());
  }

  private static Policy cleanedUp(String table, Duration policy) {
    return new Policy(
        "postgresql", table, policy.toDays(), "clean-up", true, days(policy.toDays()));
  }

  private static Policy events(Duration policy, Optional<Integer> configured) {
    int months = PolicyMonths.of(policy);
    boolean agrees = configured.filter(found -> found != months).isEmpty();
    return new Policy(
        "postgresql",
        "events",
        policy.toDays(),
        configured
            .map(found -> "partition_config %d months, by the policy %d".formatted(found, months))
            .orElse("no partition_config"),
        agrees,
        configured.filter(found -> found > months).isPresent()
            ? configured.get() + " months, by partition_config"
            : configured.isPresent()
                ? "%s for rows, %d months for partitions".formatted(days(policy.toDays()), months)
                : days(policy.toDays()));
  }

  private static Policy job(String table, Duration policy, Optional<Duration> actual) {
    return new Policy(
        "job",
        table,
        policy.toDays(),
        actual.map(found -> days(found.toDays())).orElse("not known: it was not started by submit"),
        actual.filter(found -> !found.equals(policy)).isEmpty(),
        actual.filter(found -> !found.equals(policy)).isPresent()
            ? "the job's, until redeploy"
            : days(policy.toDays()));
  }

  private static String days(long days) {
    return days + " days";
  }
}
