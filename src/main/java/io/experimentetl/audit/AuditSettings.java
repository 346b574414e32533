package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.config.ArchiveConfig;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.postgres.PostgresSession;
import java.time.Duration;
import java.util.List;

/**
 * The settings of an audit.
 *
 * @param postgresUrl {@code jdbc:postgresql://…}, the job's schema first in its search path
 * @param mapping which tables and columns of PostgreSQL give which rows
 * @param statistics the job's settings: other settings give other numbers
 * @param findings the job's settings
 * @param eventRetention rows of {@code events} older than this may be absent from PostgreSQL
 * @param assignmentRetention the same for {@code assignments}
 * @param warehouse how long ClickHouse keeps facts: older ones may be absent there
 * @param archive facts of the months of its manifests may be absent too
 * @param replicated tables that are copied as they are
 * @param deadline how long nothing may move, neither the job's progress nor the audit's queries,
 *     until the audit gives up
 */
public record AuditSettings(
    String postgresUrl,
    String postgresUser,
    String postgresPassword,
    SourceMapping mapping,
    ClickHouseConnection clickhouse,
    StatisticsConfig statistics,
    FindingsConfig findings,
    Duration eventRetention,
    Duration assignmentRetention,
    RetentionConfig.Warehouse warehouse,
    ArchiveConfig archive,
    List<ReplicatedTable> replicated,
    Duration deadline) {

  /** The job's settings, with the servers to compare. */
  public static AuditSettings of(
      JobConfig job,
      String postgresUrl,
      String postgresUser,
      String postgresPassword,
      ClickHouseConnection clickhouse,
      Duration deadline) {
    return new AuditSettings(
        PostgresSession.inSchema(postgresUrl, job.source().schema()),
        postgresUser,
        postgresPassword,
        job.source().tables(),
        clickhouse,
        job.statistics(),
        job.findings(),
        job.retention().postgres().events(),
        job.retention().postgres().assignments(),
        job.retention().clickhouse(),
        job.archive(),
        job.replicate(),
        deadline);
  }

  /** Leaves out the passwords. */
  @Override
  public String toString() {
    return "AuditSettings[%s, %s, %s]"
        .formatted(postgresUrl, clickhouse.url(), clickhouse.database());
  }
}
