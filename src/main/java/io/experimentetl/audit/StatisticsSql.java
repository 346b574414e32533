package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventKinds;
import io.experimentetl.warehouse.WarehouseRange;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The recomputation of {@code experiment_daily_stats}, as one statement for either side: {@code
 * audit/statistics-clickhouse.sql} and {@code audit/figures-postgres.sql} with the job's settings
 * filled in.
 */
final class StatisticsSql {
  private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{([a-z_]+)}");

  /** The range of an event's time, which is of its key ({@link WarehouseRange}). */
  private static final String DELIVERABLE =
      "BETWEEN '1900-01-02 00:00:00+00' AND '2299-12-30 23:59:59.999999+00'";

  /** The times that ClickHouse has for earlier and later ones, microseconds since 1970 in UTC. */
  static final String RANGE_ENDS = WarehouseRange.FIRST + ", " + WarehouseRange.LAST;

  /** Greater than any total. */
  private static final String NO_CAP = "1" + "0".repeat(60);

  private final StatisticsConfig config;
  private final EventKinds kinds;
  private final boolean shared;
  private final Map<String, ZoneId> zones = new TreeMap<>();
  private final ZoneId defaultZone;

  /**
   * @param namedZones the zones that the experiments' configurations name, unchecked; a name that
   *     is not a zone means the default zone
   * @param shared whether events of {@link EventRow#SHARED} count in every experiment of their user
   */
  StatisticsSql(StatisticsConfig config, Set<String> namedZones, boolean shared) {
    this.shared = shared;
    this.config = config;
    this.kinds = new EventKinds(config);
    this.defaultZone = ZoneId.of(config.zone());
    for (String name : namedZones) {
      ZoneId zone = zoneOrNull(name);
      if (zone != null) {
        zones.put(name, zone);
      }
    }
  }

  private static ZoneId zoneOrNull(String name) {
    try {
      return ZoneId.of(name);
    } catch (DateTimeException e) {
      return null;
    }
  }

  /** The zones that both servers must know; fixed offsets need no name. */
  Set<String> zoneNames() {
    Set<String> names = new TreeSet<>();
    for (ZoneId zone : zones.values()) {
      addName(names, zone);
    }
    addName(names, defaultZone);
    return names;
  }

  private static void addName(Set<String> names, ZoneId zone) {
    if (!zone.getRules().isFixedOffset()) {
      names.add(zone.getId());
    }
  }

  /**
   * The statement for PostgreSQL. It recomputes {@code experiment_health_daily} too: rows without a
   * metric.
   */
  String postgres() {
    return fill("figures-postgres.sql", postgresValues());
  }

  /** The statement for ClickHouse, as of an LSN. */
  String clickhouse(long lsn) {
    return fill(
        "statistics-clickhouse.sql",
        clickhouseValues(
            lsn,
            clickhouseTexts(
                Stream.concat(
                    Stream.of(config.exposureEvent()),
                    terms().flatMap(term -> Stream.of(term.what.eventType(), term.kind)))),
            terms().allMatch(term -> term.what.property() == null)
                ? "''"
                : "if(event_type IN (%s), ifNull(properties, ''), '')"
                    .formatted(
                        clickhouseTexts(
                            terms()
                                .filter(term -> term.what.property() != null)
                                .map(term -> term.what.eventType())))));
  }

  /** The recomputation of {@code experiment_health_daily} in ClickHouse, as of an LSN. */
  String healthInClickhouse(long lsn) {
    return fill(
        "health-clickhouse.sql",
        clickhouseValues(lsn, clickhouseText(config.exposureEvent()), "''"));
  }

  private Map<String, String> postgresValues() {
    Map<String, String> values = new HashMap<>();
    values.put(
        "assigned",
        fill(
            "assigned-postgres.sql",
            Map.of(
                "assigned_at", PostgresRows.nearest("assigned_at"),
                "enrolled_at", PostgresRows.nearest("enrolled_at"))));
    values.put(
        "metrics",
        IntStream.range(0, config.metrics().size())
            .mapToObj(
                i -> {
                  MetricConfig metric = config.metrics().get(i);
                  return "("
                      + (i + 1)
                      + ", "
                      + postgresText(metric.name())
                      + ", "
                      + postgresCap(metric)
                      + ", "
                      + postgresSince(metric)
                      + ")";
                })
            .collect(Collectors.joining(", ")));
    values.put("terms", terms().map(Term::postgres).collect(Collectors.joining(", ")));
    values.put("kind", kindInPostgres());
    values.put("types", postgresTypes(term -> true));
    values.put("types_before", postgresTypes(term -> term.role.equals("x")));
    values.put(
        "of_event",
        shared
            ? "ON a.user_id = e.user_id AND (a.experiment_id = e.experiment_id OR (e.experiment_id = %d AND e.event_type <> %s))"
                .formatted(EventRow.SHARED, postgresText(config.exposureEvent()))
            : "USING (experiment_id, user_id)");
    values.put("types_with_value", postgresTypes(term -> term.what.property() != null));
    values.put("deliverable", DELIVERABLE);
    values.put("exposure", postgresText(config.exposureEvent()));
    values.put("entered_at", postgresEntry());
    values.put("crossovers_count", Boolean.toString(config.crossover() == CrossoverPolicy.FIRST));
    values.put("day", postgresDay("e.at"));
    values.put("entered_day", postgresDay("u.entered_at"));
    values.put("assigned_day", postgresDay("assigned_at"));
    return values;
  }

  /**
   * The placeholders' values as of an LSN.
   *
   * @param types the types of the events to gather
   * @param properties what to gather as the properties of a user's events
   */
  private Map<String, String> clickhouseValues(long lsn, String types, String properties) {
    Map<String, String> bound =
        Map.of(
            "bound",
            Long.toString(lsn),
            "event_types",
            types,
            "kind",
            kindInClickhouse(""),
            "properties",
            properties);
    Map<String, String> values = new HashMap<>(bound);
    values.put("assigned", fill("assigned-clickhouse.sql", bound));
    values.put("user_events", fill("user-events-clickhouse.sql", bound));
    values.put("terms", terms().map(Term::clickhouse).collect(Collectors.joining(", ", "[", "]")));
    values.put("exposure", clickhouseText(config.exposureEvent()));
    values.put(
        "entered_at",
        switch (config.population()) {
          case EXPOSURE -> "exposed_at";
          case ENROLLED -> "a.enrolled_at";
          case ASSIGNED -> "a.assigned_at";
        });
    putSharedEvents(values);
    values.put("crossovers_count", Boolean.toString(config.crossover() == CrossoverPolicy.FIRST));
    values.put("day", clickhouseDay("at"));
    values.put("entered_day", clickhouseDay("entered_at"));
    return values;
  }

  /** The events of a user in an experiment, and the join that brings those of no experiment. */
  private void putSharedEvents(Map<String, String> values) {
    values.put(
        "events",
        shared
            ? "arrayConcat(e.events, arrayFilter(s -> s.2 != %s, beside.events))"
                .formatted(clickhouseText(config.exposureEvent()))
            : "e.events");
    values.put(
        "shared_events",
        shared
            ? "LEFT JOIN (SELECT user_id, events FROM event WHERE experiment_id = %d) AS beside ON beside.user_id = a.user_id"
                .formatted(EventRow.SHARED)
            : "");
  }

  /**
   * Whether a row of ClickHouse's events names no experiment.
   *
   * @param row the name of the row with a dot, or nothing
   */
  String isSharedInClickhouse(String row) {
    return shared ? "(%sexperiment_id = %d)".formatted(row, EventRow.SHARED) : "false";
  }

  private String postgresTypes(Predicate<Term> which) {
    return terms()
        .filter(which)
        .map(term -> postgresText(term.kind))
        .distinct()
        .collect(Collectors.joining(", ", "ARRAY[", "]::text[]"));
  }

  private String postgresEntry() {
    return switch (config.population()) {
      case EXPOSURE -> "x.exposed_at";
      case ENROLLED -> "a.enrolled_at";
      case ASSIGNED -> "a.assigned_at";
    };
  }

  /** The day, in the zone that {@code zone} names, of a timestamp. */
  private String postgresDay(String time) {
    String day = postgresDay(defaultZone, time);
    for (Map.Entry<String, ZoneId> zone : zones.entrySet()) {
      day =
          "CASE WHEN zone = "
              + postgresText(zone.getKey())
              + " THEN "
              + postgresDay(zone.getValue(), time)
              + " ELSE "
              + day
              + " END";
    }
    return day;
  }

  /** The day, in the zone that {@code zone} names, of an expression of microseconds since 1970. */
  String clickhouseDay(String micros) {
    String day = clickhouseDay(defaultZone, micros);
    for (Map.Entry<String, ZoneId> zone : zones.entrySet()) {
      day =
          "if(zone = "
              + clickhouseText(zone.getKey())
              + ", "
              + clickhouseDay(zone.getValue(), micros)
              + ", "
              + day
              + ")";
    }
    return day;
  }

  /**
   * A sum of a metric.
   *
   * @param number of the metric, from 1 on
   * @param role y, a ratio's denominator z, the covariate x
   * @param kind of the events, by {@link EventKinds}
   * @param opens microseconds after the user's entry from which events count
   * @param closes microseconds after the entry from which they no longer count; null: never
   */
  private record Term(
      int number,
      MetricConfig metric,
      String role,
      MetricTerm what,
      String kind,
      long opens,
      Long closes) {

    String postgres() {
      return String.join(
          ", ",
          "(" + number,
          postgresText(role),
          postgresText(kind),
          what.property() == null ? "NULL::text" : postgresText(what.property()),
          "interval '" + opens + " microseconds'",
          closes == null ? "NULL::interval" : "interval '" + closes + " microseconds'",
          postgresSince(metric) + ")");
    }

    String clickhouse() {
      return String.join(
          ", ",
          "(" + clickhouseText(metric.name()),
          clickhouseText(role),
          clickhouseText(kind),
          what.property() == null ? "''" : clickhouseText(asPrintedKey(what.property())),
          Boolean.toString(what.property() != null),
          "toInt64(" + opens + ")",
          "toInt64(" + (closes == null ? Long.MAX_VALUE : closes) + ")",
          "toInt256('" + cap(metric).orElse(NO_CAP) + "')",
          "toInt32("
              + (metric.since() == null ? Integer.MIN_VALUE : metric.since().toEpochDay())
              + ")",
          "toUInt16(" + number + "))");
    }
  }

  private Stream<Term> terms() {
    List<Term> terms = new ArrayList<>();
    int number = 0;
    for (MetricConfig metric : config.metrics()) {
      number++;
      MetricTerm y = metric.numerator();
      long opens = micros(metric.delay());
      Long closes = metric.window() == null ? null : Long.valueOf(opens + micros(metric.window()));
      add(terms, number, metric, "y", y, opens, closes);
      if (metric.denominator() != null) {
        add(terms, number, metric, "z", metric.denominator(), opens, closes);
      }
      if (metric.covariate() != null) {
        add(terms, number, metric, "x", y, -micros(metric.covariate()), 0L);
      }
    }
    return terms.stream();
  }

  private void add(
      List<Term> terms,
      int number,
      MetricConfig metric,
      String role,
      MetricTerm what,
      long opens,
      Long closes) {
    for (String kind : kinds.of(what)) {
      terms.add(new Term(number, metric, role, what, kind, opens, closes));
    }
  }

  /** An event's kind, by {@link EventKinds}. */
  private String kindInPostgres() {
    return kinds.ofTables().isEmpty()
        ? "event_type"
        : "CASE WHEN event_type || chr(31) || fact IN (%s) THEN event_type || chr(31) || fact ELSE event_type END"
            .formatted(
                kinds.ofTables().stream()
                    .map(StatisticsSql::postgresText)
                    .collect(Collectors.joining(", ")));
  }

  /**
   * An event's kind, by {@link EventKinds}.
   *
   * @param row the name of the row with a dot, or nothing
   */
  String kindInClickhouse(String row) {
    return kinds.ofTables().isEmpty()
        ? row + "event_type"
        : "if(concat(%1$sevent_type, char(31), ifNull(%1$sfact, '')) IN (%2$s), concat(%1$sevent_type, char(31), ifNull(%1$sfact, '')), toString(%1$sevent_type))"
            .formatted(row, clickhouseTexts(kinds.ofTables().stream()));
  }

  EventKinds kinds() {
    return kinds;
  }

  /** The cap of a user's total, in millionths; for a proportion one. */
  private static Optional<String> cap(MetricConfig metric) {
    return metric.kind() == MetricKind.PROPORTION
        ? Optional.of("1000000")
        : Optional.ofNullable(metric.cap())
            .map(cap -> cap.movePointRight(6).toBigIntegerExact().toString());
  }

  private static String postgresCap(MetricConfig metric) {
    return cap(metric).map(cap -> cap + "::numeric").orElse("NULL::numeric");
  }

  private static String postgresSince(MetricConfig metric) {
    return "DATE '" + (metric.since() == null ? "-infinity" : metric.since()) + "'";
  }

  /**
   * A key as it appears between the quotes of PostgreSQL's JSON, with the escapes that the SQL
   * removes left out.
   */
  static String asPrintedKey(String key) {
    StringBuilder printed = new StringBuilder();
    for (int i = 0; i < key.length(); i++) {
      char c = key.charAt(i);
      if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t') {
        printed.append('\1');
      } else if (c < ' ') {
        printed.append('\1').append(String.format("%04x", (int) c));
      } else {
        printed.append(c);
      }
    }
    return printed.toString();
  }

  private static String postgresDay(ZoneId zone, String time) {
    return zone.getRules().isFixedOffset()
        ? "(("
            + time
            + " + interval '"
            + offsetSeconds(zone)
            + " seconds') AT TIME ZONE 'UTC')::date"
        : "(" + time + " AT TIME ZONE " + postgresText(zone.getId()) + ")::date";
  }

  private static String clickhouseDay(ZoneId zone, String micros) {
    return zone.getRules().isFixedOffset()
        ? "toDate32(fromUnixTimestamp64Micro("
            + micros
            + " + "
            + offsetSeconds(zone)
            + " * 1000000, 'UTC'))"
        : "toDate32(fromUnixTimestamp64Micro("
            + micros
            + ", "
            + clickhouseText(zone.getId())
            + "))";
  }

  private static int offsetSeconds(ZoneId zone) {
    return zone.getRules().getOffset(Instant.EPOCH).getTotalSeconds();
  }

  static long micros(Duration duration) {
    return Math.addExact(
        Math.multiplyExact(duration.getSeconds(), 1_000_000L), duration.getNano() / 1_000);
  }

  static String postgresText(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  private static String clickhouseTexts(Stream<String> texts) {
    return texts.distinct().map(StatisticsSql::clickhouseText).collect(Collectors.joining(", "));
  }

  static String clickhouseIds(Set<Long> ids) {
    return "CAST(" + ids + " AS Array(Int64))";
  }

  static String clickhouseText(String text) {
    return ClickHouseReader.literal(text);
  }

  /** A statement of {@code audit/}, or a part of one, with its placeholders filled in. */
  static String fill(String resource, Map<String, String> values) {
    try (InputStream in = StatisticsSql.class.getResourceAsStream("/audit/" + resource)) {
      String sql = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return PLACEHOLDER
          .matcher(sql)
          .replaceAll(match -> Matcher.quoteReplacement(values.get(match.group(1))));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
