package io.experimentetl.audit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.EventChecks;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compares the columns that the job adds to facts: keys and names of dimensions, the assigned
 * variant, the user's properties, the day, and the codes found on the row. A row holds these values
 * as of its write, corrected if a reference arrived later. They are therefore compared with the
 * dimension's current version if it is the one of that time, else with every version that
 * ClickHouse has not merged away. Undecidable rows are counted.
 *
 * <p>Both sides are ClickHouse's. {@link RowComparison} compares its dimensions and facts with
 * PostgreSQL's.
 */
final class EnrichmentComparison {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int LIMIT = 1_000;
  private static final int MAX_VALUE = 80;

  /** A property's value in the text that PostgreSQL prints; '' if it is not a number >= 0. */
  private static final String NUMBER =
      "arrayElement(arrayMap((parts) -> arrayElement(arrayMap((depths) -> arrayElement(arrayMap(at_ -> if(at_ = 0, '',"
          + " extract(parts[at_ + 1], '^: ([0-9]+(?:\\\\.[0-9]+)?)(?:, |\\\\})')),"
          + " [arrayLastIndex((part, i, depth) -> i % 2 = 0 AND part = m.2 AND depth = 1 AND startsWith(parts[i + 1], ': '),"
          + " parts, arrayEnumerate(parts), depths)]), 1),"
          + " [arrayCumSum(arrayMap((part, i) -> if(i % 2 = 0, 0,"
          + " toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))"
          + " - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))), parts, arrayEnumerate(parts)))]), 1),"
          + " [splitByChar('\"', if(${kind} = m.1, replaceRegexpAll(ifNull(r.properties, ''), '\\\\\\\\.', '\\x01'), ''))]), 1)";

  /**
   * Rows that could not be judged.
   *
   * @param why continuing "not judged: n rows of table, column,"
   */
  record NotJudged(String table, String columns, long rows, String why) {}

  /** The comparison's result for one table. */
  record Result(
      String table,
      long rows,
      long differing,
      List<NotJudged> notJudged,
      List<Observation> observations) {}

  private final AuditSettings settings;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final StatisticsSql sql;

  EnrichmentComparison(
      AuditSettings settings, SourceSnapshot source, Warehouse warehouse, StatisticsSql sql) {
    this.settings = settings;
    this.source = source;
    this.warehouse = warehouse;
    this.sql = sql;
  }

  List<Result> compare() {
    return List.of(
        compare(AuditedTable.EVENTS, "joined-events-clickhouse.sql"),
        compare(AuditedTable.ASSIGNMENTS, "joined-assignments-clickhouse.sql"));
  }

  /**
   * The result of {@code joined-*-clickhouse.sql}.
   *
   * @param differences one array of key, day, version and columns per row
   * @param experiments rows whose experiment was undecidable; likewise the others
   */
  private record Judged(
      long rows,
      long differing,
      JsonNode differences,
      long experiments,
      long variants,
      long users,
      long assignments,
      long days,
      long codes) {}

  private static Judged judged(ResultSet row) throws SQLException {
    try {
      return new Judged(
          row.getLong(1),
          row.getLong(2),
          JSON.readTree(row.getString(3)),
          row.getLong(4),
          row.getLong(5),
          row.getLong(6),
          row.getLong(7),
          row.getLong(8),
          row.getLong(9));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("toJSONString has returned no JSON.", e);
    }
  }

  private Result compare(AuditedTable table, String resource) {
    Judged judged =
        warehouse.list(StatisticsSql.fill(resource, values()), EnrichmentComparison::judged).get(0);
    List<Observation> observations = new ArrayList<>();
    for (JsonNode seen : judged.differences()) {
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
        judged.experiments(),
        "the experiment " + changed);
    add(notJudged, name, "variant keys and names", judged.variants(), "the variant " + changed);
    add(notJudged, name, "user_properties", judged.users(), "the user " + changed);
    add(
        notJudged,
        name,
        "assigned_variant_id",
        judged.assignments(),
        "the assignment " + changed + ", or had left the state (T-LATE-BEYOND-STATE)");
    add(
        notJudged,
        name,
        "day",
        judged.days(),
        "the experiment was deleted, or the row has T-LATE-BEYOND-STATE");
    add(
        notJudged,
        name,
        "inconsistencies",
        judged.codes(),
        "codes that depend on an assignment, an exposure, a user or metrics that were changed after the row was written, on facts that had left the state, or on rows that have left ClickHouse;"
            + " the row's other codes are compared");
    return new Result(name, judged.rows(), judged.differing(), notJudged, observations);
  }

  private static void add(
      List<NotJudged> notJudged, String table, String columns, long rows, String why) {
    if (rows > 0) {
      notJudged.add(new NotJudged(table, columns, rows, why));
    }
  }

  private static Observation duplicateFlag(ResultSet seen) throws SQLException {
    long rows = seen.getLong(5);
    long flags = seen.getLong(6);
    return new Observation(
        AuditedTable.EVENTS.warehouseTable(),
        seen.getInt(4),
        "event:" + seen.getString(1) + " of user " + seen.getString(3),
        "is there at "
            + rows
            + (rows == 1 ? " time, and " : " times, and ")
            + flags
            + (flags == 1 ? " row carries" : " rows carry")
            + " D-DUP-EVENT or D-CONFLICTING-DUP in inconsistencies instead of "
            + (rows - 1),
        seen.getString(7),
        Observation.NO_OFFSET,
        Weight.SUSPECT,
        Kind.DIFFERENT);
  }

  private static Observation duplicateAssignment(ResultSet seen) throws SQLException {
    return new Observation(
        AuditedTable.ASSIGNMENTS.warehouseTable(),
        AuditedTable.NO_DAY,
        "user:" + seen.getString(2) + "/" + seen.getString(1),
        "rows: "
            + seen.getLong(3)
            + ", of which carry A-DUP-ASSIGNMENT in inconsistencies: "
            + seen.getLong(4)
            + ", instead of all but one",
        seen.getString(5),
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

  private static String window(MetricConfig metric, String kind) {
    long opens = StatisticsSql.micros(metric.delay());
    long closes =
        metric.window() == null
            ? Long.MAX_VALUE
            : Math.addExact(opens, StatisticsSql.micros(metric.window()));
    return "(" + StatisticsSql.clickhouseText(kind) + ", " + opens + ", " + closes + ")";
  }

  private static String valued(String kind, MetricTerm term) {
    return "("
        + StatisticsSql.clickhouseText(kind)
        + ", "
        + StatisticsSql.clickhouseText(StatisticsSql.asPrintedKey(term.property()))
        + ")";
  }

  /** The known event types; empty: every type is known. */
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

  /** The tables of metric events that may change a row that is an exposure, or was one. */
  private String changingExposures() {
    return settings.mapping().of(SourceTable.EVENTS).stream()
        .filter(table -> table.mayGive(settings.statistics().exposureEvent()))
        .map(TableBinding::fact)
        .filter(fact -> fact != null && fact.mutable())
        .map(fact -> StatisticsSql.clickhouseText(fact.name()))
        .collect(Collectors.joining(", ", "CAST([", "] AS Array(String))"));
  }

  /** What ClickHouse may not have any more. */
  private void putExpired(Map<String, String> values) {
    values.put(
        "assignments_expire",
        Boolean.toString(warehouse.mayExpire(AuditedTable.ASSIGNMENTS.warehouseTable())));
    values.put(
        "expired_events",
        StatisticsSql.clickhouseIds(
            warehouse.expiredExperiments(AuditedTable.EVENTS, source.takenAt())));
    values.put(
        "expired_assignments",
        StatisticsSql.clickhouseIds(
            warehouse.expiredExperiments(AuditedTable.ASSIGNMENTS, source.takenAt())));
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
    putExpired(values);
    values.put(
        "values",
        statistics.metrics().stream()
            .flatMap(metric -> metric.terms().stream())
            .filter(term -> term.property() != null)
            .flatMap(term -> sql.kinds().of(term).stream().map(kind -> valued(kind, term)))
            .distinct()
            .collect(Collectors.joining(", ", "CAST([", "] AS Array(Tuple(String, String)))")));
    values.put(
        "metric_events",
        statistics.metrics().stream()
            .flatMap(metric -> metric.terms().stream())
            .flatMap(term -> sql.kinds().of(term).stream())
            .distinct()
            .map(StatisticsSql::clickhouseText)
            .collect(Collectors.joining(", ", "CAST([", "] AS Array(String))")));
    values.put(
        "windows",
        statistics.metrics().stream()
            .flatMap(
                metric ->
                    metric.terms().stream()
                        .flatMap(term -> sql.kinds().of(term).stream())
                        .map(kind -> window(metric, kind)))
            .distinct()
            .collect(
                Collectors.joining(", ", "CAST([", "] AS Array(Tuple(String, Int64, Int64)))")));
    values.put("event_types", eventTypes());
    values.put("changing_exposures", changingExposures());
    values.put("has_users", Boolean.toString(settings.mapping().hasUsers()));
    values.put("range_ends", StatisticsSql.RANGE_ENDS);
    values.put(
        "clock_tolerance",
        Long.toString(StatisticsSql.micros(settings.findings().clockTolerance())));
    values.put(
        "covariate_events",
        EventChecks.covariateEvents(statistics, sql.kinds()).stream()
            .map(StatisticsSql::clickhouseText)
            .collect(Collectors.joining(", ", "CAST([", "] AS Array(String))")));
    values.put("is_shared", sql.isSharedInClickhouse("r."));
    values.put("kind", sql.kindInClickhouse("r."));
    values.put("number", NUMBER.replace("${kind}", sql.kindInClickhouse("r.")));
    values.put("limit", Integer.toString(LIMIT));
    return values;
  }
}
