package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.quality.AssignmentChecks;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * {@code data_inconsistencies}, compared with what ClickHouse's rows say: what a row carries must
 * be an open finding, and what is open must still be true, as far as the present rows can tell. Not
 * compared, since it hangs on what was and not on what is: codes of deletes and updates (C-…,
 * A-REASSIGNED), whether a T-LATE, T-EVENT-BEFORE-ASSIGNMENT, T-NOT-RUNNING, T-OUT-OF-WINDOW,
 * T-ASSIGNMENT-AT-DRIFT, A-VERSION-SKEW, S-UNKNOWN-EVENT-TYPE or duplicate that was found should
 * still be open, and the findings of rows that could not be delivered.
 */
final class FindingsComparison {
  static final String PLACE = "data_inconsistencies";
  private static final int LIMIT = 1_000;

  private final AuditSettings settings;
  private final SourceSnapshot source;
  private final Warehouse warehouse;

  FindingsComparison(AuditSettings settings, SourceSnapshot source, Warehouse warehouse) {
    this.settings = settings;
    this.source = source;
    this.warehouse = warehouse;
  }

  long open() {
    return warehouse
        .rows("SELECT count() FROM data_inconsistencies FINAL WHERE status = 'OPEN'")
        .get(0)
        .get(0)
        .asLong();
  }

  List<Observation> compare() {
    List<Observation> observations = new ArrayList<>();
    warehouse.read(
        StatisticsSql.fill(
            "findings-clickhouse.sql",
            Map.of(
                "exposure",
                StatisticsSql.clickhouseText(settings.statistics().exposureEvent()),
                "entered_at",
                switch (settings.statistics().population()) {
                  case EXPOSURE -> "x.earliest";
                  case ENROLLED -> "m.enrolled_at";
                  case ASSIGNED -> "m.assigned_at";
                },
                "enrolment_tolerance",
                Long.toString(AssignmentChecks.ENROLMENT_TOLERANCE),
                "srm_p",
                Double.toString(settings.findings().srmAlertP()),
                "srm_users",
                Integer.toString(settings.findings().srmMinimumUsersPerVariant()),
                "expired_before",
                Long.toString(
                    source.takenAt().minus(Warehouse.RETENTION).getEpochSecond() * 1_000_000),
                "limit",
                Integer.toString(LIMIT))),
        row -> {
          boolean missing = row.get(0).asInt() == 1;
          observations.add(
              new Observation(
                  PLACE,
                  AuditedTable.NO_DAY,
                  row.get(1).asText() + " " + row.get(2).asText(),
                  (missing ? "is not open, although it holds: " : "is open, although ")
                      + EnrichmentComparison.shortened(row.get(3).asText()),
                  row.get(4).asText(),
                  Observation.NO_OFFSET,
                  Weight.SUSPECT));
        });
    return observations;
  }
}
