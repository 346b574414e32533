package io.experimentetl.audit;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.EventChecks;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the job added to facts: keys and names of their dimensions, the assigned variant, the user's
 * properties, the day, and the codes found on them. It is as of when the row was written, and
 * corrected where a reference came later; so it is compared with the dimension as it stands where
 * that is the one that stood then, else with every version of it that is not merged away yet. What
 * can't be told is counted.
 *
 * <p>Both sides are ClickHouse's: its dimensions and its facts are compared with PostgreSQL's by
 * {@link RowComparison}.
 */
final class EnrichmentComparison {
  private static final int LIMIT = 1_000;
  private static final int MAX_VALUE = 80;

  /** The value of a property in the text as PostgreSQL prints it; '' where it is no number >= 0. */
  private static final String NUMBER =
      "arrayElement(arrayMap((parts) -> arrayElement(arrayMap((depths) -> arrayElement(arrayMap(at_ -> if(at_ = 0, '',"
          + " extract(parts[at_ + 1], '^: ([0-9]+(?:\\\\.[0-9]+)?)(?:, |\\\\})')),"
          + " [arrayFirstIndex((part, i, depth) -> i % 2 = 0 AND part = m.2 AND depth = 1 AND startsWith(parts[i + 1], ': '),"
          + " parts, arrayEnumerate(parts), depths)]), 1),"
          + " [arrayCumSum(arrayMap((part, i) -> if(i % 2 = 0, 0,"
          + " toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))"
          + " - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))), parts, arrayEnumerate(parts)))]), 1),"
          + " [splitByChar('\"', if(r.event_type = m.1, replaceRegexpAll(ifNull(r.properties, ''), '\\\\\\\\.', '\\x01'), ''))]), 1)";

  /**
   * Rows that could not be judged.
   *
   * @param why continuing "not judged: n rows of table, column,"
   */
  record NotJudged(String table, String columns, long rows, String why) {}

  /** What was seen of a table. */
  record Result(
      String table,
      long rows,
      long differing,
      List<NotJudged> notJudged,
      List<Observation> observations) {}

  private final AuditSettings settings;
  private final Warehouse warehouse;
  private final StatisticsSql sql;

  EnrichmentComparison(AuditSettings settings, Warehouse warehouse, StatisticsSql sql) {
    this.settings = settings;
    this.warehouse = warehouse;
    this.sql = sql;
  }

  List<Result> compare() {
    return List.of(
        compare(AuditedTable.EVENTS, "joined-events-clickhouse.sql"),
        compare(AuditedTable.ASSIGNMENTS, "joined-assignments-clickhouse.sql"));
  }

  private Result compare(AuditedTable table, String resource) {
    JsonNode row = warehouse.rows(StatisticsSql.fill(resource, values())).get(0);
    List<Observation> observations = new ArrayList<>();
    for (JsonNode seen : row.get(2)) {
      observations.add(
          new Observation(
              table.warehouseTable(),
              seen.get(1).asInt(),
              new Subject(table.subjectKind(), seen.get(0).asText()).toString(),
              problem(seen.get(3)),
              seen.get(2).asText() + " " + seen.get(3),
              Observation.NO_OFFSET,
              Weight.SUSPECT,
              Kind.DIFFERENT));
    }
    if (table == AuditedTable.EVENTS) {
      warehouse.read(
          StatisticsSql.fill("duplicate-flags-clickhouse.sql", values()),
          seen -> observations.add(duplicateFlag(seen)));
    } else {
      warehouse.read(
          StatisticsSql.fill("duplicate-assignments-clickhouse.sql", values()),
          seen -> observations.add(duplicateAssignment(seen)));
    }
    String name = table.warehouseTable();
    String changed =
        "was changed after the row was written, and its version of then is merged away";
    List<NotJudged> notJudged = new ArrayList<>();
    add(
        notJudged,
        name,
        "experiment_key, experiment_name",
        row.get(3),
        "the experiment " + changed);
    add(notJudged, name, "variant keys and names", row.get(4), "the variant " + changed);
    add(notJudged, name, "user_properties", row.get(5), "the user " + changed);
    add(
        notJudged,
        name,
        "assigned_variant_id",
        row.get(6),
        "the assignment " + changed + ", or had left the state (T-LATE-BEYOND-STATE)");
    add(notJudged, name, "day", row.get(7), "the experiment was deleted");
    add(
        notJudged,
        name,
        "inconsistencies",
        row.get(8),
        "codes that hang on an assignment, an exposure, a user or metrics that were changed after the row was written, or on facts that had left the state;"
            + " the row's other codes are compared");
    return new Result(name, row.get(0).asLong(), row.get(1).asLong(), notJudged, observations);
  }

  private static void add(
      List<NotJudged> notJudged, String table, String columns, JsonNode rows, String why) {
    if (rows.asLong() > 0) {
      notJudged.add(new NotJudged(table, columns, rows.asLong(), why));
    }
  }

  private static Observation duplicateFlag(JsonNode seen) {
    long rows = seen.get(4).asLong();
    long flags = seen.get(5).asLong();
    return new Observation(
        AuditedTable.EVENTS.warehouseTable(),
        seen.get(3).asInt(),
        "event:" + seen.get(0).asText() + " of user " + seen.get(2).asText(),
        "is there at "
            + rows
            + (rows == 1 ? " time, and " : " times, and ")
            + flags
            + (flags == 1 ? " row says" : " rows say")
            + " D-DUP-EVENT or D-CONFLICTING-DUP in inconsistencies instead of "
            + (rows - 1),
        seen.get(6).asText(),
        Observation.NO_OFFSET,
        Weight.SUSPECT,
        Kind.DIFFERENT);
  }

  private static Observation duplicateAssignment(JsonNode seen) {
    return new Observation(
        AuditedTable.ASSIGNMENTS.warehouseTable(),
        AuditedTable.NO_DAY,
        "user:" + seen.get(1).asText() + "/" + seen.get(0).asText(),
        "rows: "
            + seen.get(2).asLong()
            + ", of which say A-DUP-ASSIGNMENT in inconsistencies: "
            + seen.get(3).asLong()
            + ", instead of all but one",
        seen.get(4).asText(),
        Observation.NO_OFFSET,
        Weight.SUSPECT,
        Kind.DIFFERENT);
  }

  private static String problem(JsonNode columns) {
    StringJoiner text = new StringJoiner("; ");
    for (JsonNode column : columns) {
      text.add(
          column.get(0).asText()
              + " is "
              + shortened(column.get(2).asText())
              + " and should be "
              + shortened(column.get(3).asText()));
    }
    return text.toString();
  }

  /** A value as the report shows it. */
  static String shortened(String value) {
    String line = value.replaceAll("\\p{Cntrl}", "?");
    return line.isEmpty()
        ? "empty"
        : line.length() <= MAX_VALUE ? line : line.substring(0, MAX_VALUE - 1) + "…";
  }

  private static String window(MetricConfig metric, MetricTerm term) {
    long opens = StatisticsSql.micros(metric.delay());
    long closes =
        metric.window() == null
            ? Long.MAX_VALUE
            : Math.addExact(opens, StatisticsSql.micros(metric.window()));
    return "("
        + StatisticsSql.clickhouseText(term.eventType())
        + ", "
        + opens
        + ", "
        + closes
        + ")";
  }

  /** All that are known; empty: none is unknown. */
  private String eventTypes() {
    List<String> declared = settings.findings().eventTypes();
    StatisticsConfig statistics = settings.statistics();
    Stream<String> types =
        declared.isEmpty()
            ? Stream.empty()
            : Stream.concat(
                Stream.concat(declared.stream(), Stream.of(statistics.exposureEvent())),
                statistics.metrics().stream()
                    .flatMap(metric -> metric.terms().stream())
                    .map(MetricTerm::eventType));
    return types
        .map(StatisticsSql::clickhouseText)
        .collect(Collectors.joining(", ", "CAST([", "] AS Array(String))"));
  }

  private Map<String, String> values() {
    StatisticsConfig statistics = settings.statistics();
    Map<String, String> values = new HashMap<>();
    values.put("dimensions", StatisticsSql.fill("dimensions-clickhouse.sql", Map.of()));
    values.put("exposure", StatisticsSql.clickhouseText(statistics.exposureEvent()));
    values.put("day", sql.clickhouseDay("at"));
    values.put("committed_day", sql.clickhouseDay("toUnixTimestamp64Micro(r._committed_at)"));
    values.put(
        "future_tolerance",
        Long.toString(StatisticsSql.micros(settings.findings().futureTolerance())));
    values.put(
        "population_is_exposure", Boolean.toString(statistics.population() == Population.EXPOSURE));
    values.put(
        "assignments_expire",
        Boolean.toString(warehouse.expires(AuditedTable.ASSIGNMENTS.warehouseTable())));
    values.put(
        "values",
        statistics.metrics().stream()
            .flatMap(metric -> metric.terms().stream())
            .filter(term -> term.property() != null)
            .distinct()
            .map(
                term ->
                    "("
                        + StatisticsSql.clickhouseText(term.eventType())
                        + ", "
                        + StatisticsSql.clickhouseText(StatisticsSql.asPrintedKey(term.property()))
                        + ")")
            .collect(Collectors.joining(", ", "CAST([", "] AS Array(Tuple(String, String)))")));
    values.put(
        "metric_events",
        statistics.metrics().stream()
            .flatMap(metric -> metric.terms().stream())
            .map(MetricTerm::eventType)
            .distinct()
            .map(StatisticsSql::clickhouseText)
            .collect(Collectors.joining(", ", "CAST([", "] AS Array(String))")));
    values.put(
        "windows",
        statistics.metrics().stream()
            .flatMap(metric -> metric.terms().stream().map(term -> window(metric, term)))
            .distinct()
            .collect(
                Collectors.joining(", ", "CAST([", "] AS Array(Tuple(String, Int64, Int64)))")));
    values.put("event_types", eventTypes());
    values.put("assignment_at_tolerance", Long.toString(EventChecks.ASSIGNMENT_AT_TOLERANCE));
    values.put("number", NUMBER);
    values.put("limit", Integer.toString(LIMIT));
    return values;
  }
}
