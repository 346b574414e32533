package io.experimentetl.audit;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.StatisticsConfig;
import java.time.Duration;

/**
 * What an audit needs to know.
 *
 * @param postgresUrl {@code jdbc:postgresql://…}, the job's schema first in its search path
 * @param clickhouseUrl {@code http://host:port} or {@code https://…}
 * @param statistics as the job has them: other settings give other numbers
 * @param findings as the job has them
 * @param eventRetention rows of {@code events} older than this may be absent from PostgreSQL
 * @param assignmentRetention the same of {@code assignments}
 * @param deadline for all of it: a job that doesn't reach the fence by then can't be compared
 */
public record AuditSettings(
    String postgresUrl,
    String postgresUser,
    String postgresPassword,
    String clickhouseUrl,
    String clickhouseDatabase,
    String clickhouseUser,
    String clickhousePassword,
    StatisticsConfig statistics,
    FindingsConfig findings,
    Duration eventRetention,
    Duration assignmentRetention,
    Duration deadline) {

  /** Without the passwords. */
  @Override
  public String toString() {
    return "AuditSettings[" + postgresUrl + ", " + clickhouseUrl + ", " + clickhouseDatabase + "]";
  }
}
