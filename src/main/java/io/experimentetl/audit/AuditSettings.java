package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.warehouse.Warehouse;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * What an audit needs to know.
 *
 * @param postgresUrl {@code jdbc:postgresql://…}, the job's schema first in its search path
 * @param statistics the job's: other settings give other numbers
 * @param findings the job's
 * @param eventRetention rows of {@code events} older than this may be absent from PostgreSQL
 * @param assignmentRetention the same for {@code assignments}
 * @param deadline for the whole audit; a job that does not reach the fence by then cannot be
 *     compared
 */
public record AuditSettings(
    String postgresUrl,
    String postgresUser,
    Supplier<String> postgresPassword,
    ClickHouseConnection clickhouse,
    StatisticsConfig statistics,
    FindingsConfig findings,
    Duration eventRetention,
    Duration assignmentRetention,
    Duration deadline) {

  /** The servers and settings of a job. */
  public static AuditSettings of(JobConfig job, Duration deadline) {
    return of(job.source(), job.clickhouse(), job.statistics(), job.findings(), deadline);
  }

  /**
   * The servers and settings of a job.
   *
   * @throws CannotCompareException if ClickHouse's address is not a URL
   */
  public static AuditSettings of(
      SourceConfig source,
      ClickHouseConfig clickhouse,
      StatisticsConfig statistics,
      FindingsConfig findings,
      Duration deadline) {
    return new AuditSettings(
        jdbcUrl(source),
        source.username(),
        source.password()::value,
        connection(clickhouse),
        statistics,
        findings,
        source.eventRetention(),
        source.assignmentRetention(),
        deadline);
  }

  private static ClickHouseConnection connection(ClickHouseConfig config) {
    try {
      return Warehouse.connection(config, config.database());
    } catch (IllegalArgumentException e) {
      throw new CannotCompareException(
          "ClickHouse's address "
              + config.url()
              + " is not a URL: give http://host:port with --clickhouse-url or as clickhouse.url in the configuration.",
          e);
    }
  }

  private static String jdbcUrl(SourceConfig source) {
    return "jdbc:postgresql://"
        + source.host()
        + ":"
        + source.port()
        + "/"
        + URLEncoder.encode(source.database(), StandardCharsets.UTF_8)
        + "?currentSchema="
        + URLEncoder.encode(source.schema(), StandardCharsets.UTF_8);
  }

  /** The same with another PostgreSQL; a null keeps the job's. */
  public AuditSettings withPostgres(String url, String user, Supplier<String> password) {
    return new AuditSettings(
        url != null ? url : postgresUrl,
        user != null ? user : postgresUser,
        password != null ? password : postgresPassword,
        clickhouse,
        statistics,
        findings,
        eventRetention,
        assignmentRetention,
        deadline);
  }

  /** The same with another ClickHouse. */
  public AuditSettings withClickHouse(ClickHouseConnection other) {
    return new AuditSettings(
        postgresUrl,
        postgresUser,
        postgresPassword,
        other,
        statistics,
        findings,
        eventRetention,
        assignmentRetention,
        deadline);
  }

  /** Without the passwords. */
  @Override
  public String toString() {
    return "AuditSettings[%s, %s, %s]"
        .formatted(postgresUrl, clickhouse.url(), clickhouse.database());
  }
}
