package io.experimentetl.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.Cleanup;
import io.experimentetl.maintenance.CleanupRequest;
import io.experimentetl.maintenance.CleanupRequest.BelowPolicyException;
import io.experimentetl.maintenance.CleanupRequest.Part;
import io.experimentetl.maintenance.DataStatistics;
import io.experimentetl.maintenance.RetentionComparison;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Deployment;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** {@code /api/v1/data-management}. */
final class DataRoutes {
  private static final String PATH = "/api/v1/data-management/";

  /** Behind it no batch begins; the answer says that the clean-up is not complete. */
  private static final Duration CLEANUP_BUDGET = Duration.ofMinutes(5);

  private final Deployment deployment;
  private final Clock clock;

  DataRoutes(Deployment deployment, Clock clock) {
    this.deployment = deployment;
    this.clock = clock;
  }

  List<Route> routes() {
    return List.of(
        Route.get(
            PATH + "stats",
            "Rows, bytes, oldest and newest row and growth per table of both stores, the lag, and ClickHouse's disks.",
            statistics(),
            request -> stats()),
        Route.post(
            PATH + "cleanup",
            "Deletes what is older than its retention, in batches, never what ClickHouse may not have.",
            cleaned(),
            this::cleanUp,
            cleanupFields()),
        Route.get(
            PATH + "retention-policies",
            "The configured policies beside what is true in PostgreSQL, in ClickHouse and in the job.",
            Schema.listOf(
                "policies",
                Schema.object(
                    "store:string",
                    "table:string",
                    "policy_days:integer?",
                    "actual:string",
                    "agrees:boolean",
                    "holds:string")),
            request -> Map.of("policies", policies())));
  }

  private Object stats() throws SQLException {
    Databases databases = deployment.databases();
    DataStatistics statistics =
        new DataStatistics(databases.postgres(), databases.clickHouse(), clock);
    List<DataStatistics.Table> warehouse = statistics.clickHouse();
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("measured_at", clock.instant().toString());
    answer.put("postgresql", statistics.postgres());
    answer.put("clickhouse", warehouse);
    answer.put("lag", statistics.lag());
    answer.put("disks", statistics.disks(warehouse));
    answer.put("queries", statistics.queries());
    return answer;
  }

  private Object policies() throws SQLException {
    return new RetentionComparison(
            deployment.databases(), deployment.runningConfig().map(config -> config.retention()))
        .policies();
  }

  /** The name of the field that chooses a part, such as {@code cleanupEvents}. */
  private static String choice(Part part) {
    return "cleanup" + name(part);
  }

  /** The name of the field with its age, such as {@code eventsRetentionDays}. */
  private static String age(Part part) {
    String name = name(part);
    return Character.toLowerCase(name.charAt(0)) + name.substring(1) + "RetentionDays";
  }

  private static String name(Part part) {
    return switch (part) {
      case EVENTS -> "Events";
      case ASSIGNMENTS -> "Assignments";
      case OUTBOX -> "Outbox";
      case EXPERIMENTS -> "Experiments";
      case CLICKHOUSE -> "Clickhouse";
    };
  }

  private static Field[] cleanupFields() {
    List<Field> fields = new ArrayList<>();
    for (Part part : Part.values()) {
      fields.add(
          Field.bool(
              choice(part),
              "whether to clean up %s; default: true if none of these is given, else false"
                  .formatted(part.text())));
    }
    for (Part part : Part.values()) {
      if (part != Part.CLICKHOUSE) {
        fields.add(
            Field.integer(
                age(part),
                "days; default: the policy (retention.postgres of the configuration), and less is refused"));
      }
    }
    fields.add(Field.bool("dryRun", "true, the default: it only counts"));
    return fields.toArray(Field[]::new);
  }

  private Object cleanUp(Request request) throws SQLException {
    Databases databases = deployment.databases();
    RetentionConfig policies = databases.config().retention();
    return new Cleanup(databases, clock).run(request(policies, request), CLEANUP_BUDGET);
  }

  /** What a request asks for. */
  static CleanupRequest request(RetentionConfig policies, Request request) {
    boolean isChosen =
        Stream.of(Part.values()).anyMatch(part -> request.values().containsKey(choice(part)));
    Set<Part> parts = EnumSet.noneOf(Part.class);
    Map<Part, Integer> days = new EnumMap<>(Part.class);
    for (Part part : Part.values()) {
      if (request.bool(choice(part), !isChosen)) {
        parts.add(part);
      }
      Optional<Integer> age =
          part == Part.CLICKHOUSE ? Optional.empty() : request.integer(age(part));
      if (age.isPresent()) {
        days.put(part, age.get());
      }
    }
    if (parts.isEmpty()) {
      throw ProblemException.badRequest(
          "Nothing is chosen: leave out all of %s, or set one to true."
              .formatted(Arrays.stream(Part.values()).map(DataRoutes::choice).toList()));
    }
    try {
      return CleanupRequest.of(policies, request.isDryRun(), parts, days);
    } catch (BelowPolicyException e) {
      throw ProblemException.refused(e.getMessage());
    }
  }

  private static ObjectNode statistics() {
    ObjectNode table =
        Schema.object(
            "table:string",
            "rows:integer",
            "bytes:integer",
            "oldest:string?",
            "newest:string?",
            "rows_per_day:number?",
            "bytes_per_day:number?");
    ObjectNode statistics = Schema.object("measured_at:string");
    Schema.with(statistics, "postgresql", Schema.array(table));
    Schema.with(statistics, "clickhouse", Schema.array(table));
    Schema.with(
        statistics,
        "lag",
        Schema.object("lag_seconds:number?", "committed_at:string?", "snapshot_done:boolean"));
    Schema.with(
        statistics,
        "disks",
        Schema.array(
            Schema.object(
                "name:string",
                "free_bytes:integer",
                "total_bytes:integer",
                "days_until_full:number?")));
    ObjectNode queries = Schema.object("queries:integer", "p95_millis:number", "slow:integer");
    queries.putArray("type").add("object").add("null");
    return Schema.with(statistics, "queries", queries);
  }

  private static ObjectNode cleaned() {
    ObjectNode table =
        Schema.object(
            "store:string",
            "table:string",
            "older_than:string",
            "rows:integer",
            "refused_rows:integer",
            "note:string?");
    Schema.with(
        table,
        "days",
        Schema.array(Schema.object("day:string", "rows:integer", "refused_rows:integer")));
    return Schema.with(
        Schema.object("dry_run:boolean", "complete:boolean"), "tables", Schema.array(table));
  }
}
