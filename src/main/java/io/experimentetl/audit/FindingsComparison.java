package io.experimentetl.audit;

import static java.util.Map.entry;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricRole;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Compares {@code data_inconsistencies} with ClickHouse's rows: every code on a row needs an open
 * finding, and every open finding must still hold, as far as the current rows show it.
 *
 * <p>Findings that depend on the past, not on the current rows, are not compared:
 *
 * <ul>
 *   <li>codes of deletes and updates (C-…, A-REASSIGNED),
 *   <li>whether a T-LATE, T-EVENT-BEFORE-ASSIGNMENT, T-NOT-RUNNING, T-OUT-OF-WINDOW,
 *       T-ASSIGNMENT-AT-DRIFT, A-VERSION-SKEW, S-UNKNOWN-EVENT-TYPE or duplicate should still be
 *       open,
 *   <li>H-FRESHNESS, and how long an experiment's other findings waited,
 *   <li>findings of rows that could not be delivered.
 * </ul>
 */
final class FindingsComparison {
  static final String PLACE = "data_inconsistencies";
  private static final int LIMIT = 1_000;

  /** Upper bound of the time between two checkpoints and between two heartbeats. */
  private static final Duration ON_ITS_WAY = Duration.ofMinutes(1);

  private final AuditSettings settings;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final StatisticsSql sql;

  FindingsComparison(
      AuditSettings settings, SourceSnapshot source, Warehouse warehouse, StatisticsSql sql) {
    this.settings = settings;
    this.source = source;
    this.warehouse = warehouse;
    this.sql = sql;
  }

  long open() {
    return warehouse.count("SELECT count() FROM data_inconsistencies FINAL WHERE status = 'OPEN'");
  }

  List<Observation> compare() {
    List<Observation> observations = new ArrayList<>();
    warehouse.read(
        StatisticsSql.fill("findings-clickhouse.sql", values()),
        row -> {
          boolean missing = row.getInt(1) == 1;
          observations.add(
              new Observation(
                  PLACE,
                  AuditedTable.NO_DAY,
                  row.getString(2) + " " + subject(row),
                  (missing ? "is not open, although it holds: " : "is open, although ")
                      + EnrichmentComparison.shortened(row.getString(5)),
                  row.getString(6),
                  Observation.NO_OFFSET,
                  Weight.SUSPECT,
                  Kind.DIFFERENT));
        });
    return observations;
  }

  private static Subject subject(ResultSet row) throws SQLException {
    return new Subject(SubjectKind.ofText(row.getString(3)), row.getString(4));
  }

  private Map<String, String> values() {
    FindingsConfig findings = settings.findings();
    HealthConfig health = findings.health();
    return Map.ofEntries(
        entry("exposure", StatisticsSql.clickhouseText(settings.statistics().exposureEvent())),
        entry(
            "entered_at",
            switch (settings.statistics().population()) {
              case EXPOSURE -> "x.earliest";
              case ENROLLED -> "m.enrolled_at";
              case ASSIGNED -> "m.assigned_at";
            }),
        entry("enrolment_tolerance", micros(findings.enrolmentTolerance())),
        entry("srm_p", Double.toString(findings.srmAlertP())),
        entry("srm_users", Integer.toString(findings.srmMinimumUsersPerVariant())),
        entry("percent", Boolean.toString(findings.allocationsArePercent())),
        entry("crossover_share", Double.toString(health.crossoverShare())),
        entry("crossover_users", Integer.toString(health.crossoverMinimumUsers())),
        entry("variant_users", Integer.toString(health.variantMinimumUsers())),
        entry("no_exposures_after", micros(health.noExposuresAfter())),
        entry("metric_users", Integer.toString(health.metricMinimumUsers())),
        entry("outlier_share", Double.toString(health.outlierShare())),
        entry("volume_exposures", Integer.toString(health.volumeMinimumExposures())),
        entry("is_shared", sql.isSharedInClickhouse("")),
        entry("bot_events", Integer.toString(health.botEventsPerDay())),
        entry(
            "metrics",
            settings.statistics().metrics().stream()
                .map(
                    metric ->
                        "(%s, %d, %d, %s)"
                            .formatted(
                                StatisticsSql.clickhouseText(metric.name()),
                                metric.delay().isZero() ? 0 : 1,
                                metric.kind() == MetricKind.PROPORTION ? 0 : 1,
                                StatisticsSql.clickhouseText(
                                    metric.purpose().role() == MetricRole.DIAGNOSTIC
                                        ? ""
                                        : metric.purpose().experimentPattern())))
                .collect(Collectors.joining(", ", "[", "]"))),
        entry("day", sql.clickhouseDay("at")),
        entry("on_its_way", micros(findings.grace().plus(ON_ITS_WAY))),
        entry(
            "expired_before",
            Long.toString(
                source
                        .takenAt()
                        .minus(warehouse.retention(AuditedTable.EVENTS.warehouseTable()))
                        .getEpochSecond()
                    * 1_000_000)),
        entry(
            "expired_events",
            StatisticsSql.clickhouseIds(
                warehouse.expiredExperiments(AuditedTable.EVENTS, source.takenAt()))),
        entry("range_ends", StatisticsSql.RANGE_ENDS),
        entry("limit", Integer.toString(LIMIT)));
  }

  private static String micros(Duration duration) {
    return Long.toString(duration.toMillis() * 1000);
  }
}
