package io.experimentetl.serve;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.maintenance.SqlRows;
import io.experimentetl.operations.ClickHouseSession;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.StatusLine;
import io.experimentetl.operations.StatusLook;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The pipeline's state, the findings, and an experiment's results. */
final class PipelineRoutes {
  private static final int FINDINGS = 100;
  private static final int MAX_FINDINGS = 1000;

  private final Deployment deployment;

  PipelineRoutes(Deployment deployment) {
    this.deployment = deployment;
  }

  List<Route> routes() {
    return List.of(
        Route.get(
            "/api/v1/pipeline",
            "The servers, the job with its checkpoints, the replication slot, the visible progress and the schedule, as status shows them.",
            Schema.with(
                Schema.object("healthy:boolean"),
                "lines",
                Schema.array(
                    Schema.with(
                        Schema.object("name:string", "healthy:boolean", "text:string"),
                        "values",
                        Schema.anyObject()))),
            request -> pipeline()),
        Route.get(
            "/api/v1/findings",
            "The open findings, errors first, the latest first.",
            Schema.with(
                Schema.object("total:integer"),
                "findings",
                Schema.array(
                    Schema.object(
                        "severity:string",
                        "code:string",
                        "subject:string",
                        "experiment_id:integer?",
                        "user_id:string?",
                        "detail:string",
                        "remedy:string",
                        "dead_letter_since:string?",
                        "observed_at:string"))),
            this::findings,
            Field.text("code", "only findings of this code; default: all"),
            Field.integer("limit", "1 to 1000; default: 100")),
        Route.get(
            "/api/v1/experiments/{key}/results",
            "The view experiment_results for one experiment, by its key.",
            Schema.with(
                Schema.object("experiment:string"), "results", Schema.array(Schema.anyObject())),
            this::results));
  }

  private Object pipeline() {
    List<StatusLine> lines = new StatusLook(deployment).lines();
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("healthy", lines.stream().allMatch(StatusLine::healthy));
    answer.put("lines", lines);
    return answer;
  }

  private Object findings(Request request) {
    int limit = request.integer("limit").orElse(FINDINGS);
    if (limit < 1 || limit > MAX_FINDINGS) {
      throw ProblemException.badRequest("limit is not from 1 to " + MAX_FINDINGS + ".");
    }
    String of =
        request
            .text("code")
            .map(code -> " WHERE code = " + ClickHouseReader.literal(code))
            .orElse("");
    Map<String, Object> answer = new LinkedHashMap<>();
    try (ClickHouseSession session = deployment.databases().clickHouse().connect()) {
      answer.put("total", session.count("SELECT count() FROM findings_open" + of));
      answer.put(
          "findings",
          session.list(
              ("SELECT toString(severity) AS severity, toString(code) AS code, subject, experiment_id, user_id, detail, remedy,"
                      + " toString(f.dead_letter_since) AS dead_letter_since, toString(f.observed_at) AS observed_at"
                      + " FROM findings_open AS f%s ORDER BY f.severity, f.observed_at DESC, f.code, f.subject LIMIT %d")
                  .formatted(of, limit),
              SqlRows::row));
    }
    return answer;
  }

  private Object results(Request request) {
    String key = request.variable("key");
    String literal = ClickHouseReader.literal(key);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("experiment", key);
    try (ClickHouseSession session = deployment.databases().clickHouse().connect()) {
      List<Long> ids =
          session.list(
              "SELECT id FROM experiments FINAL WHERE key = " + literal, row -> row.getLong(1));
      if (ids.isEmpty()) {
        throw new ProblemException(404, "Not found", "There is no experiment with this key.");
      }
      answer.put(
          "results",
          session.list(
              "SELECT * FROM experiment_results_of(experiment_id = %d) ORDER BY metric_place, metric, variant_id"
                  .formatted(ids.get(0)),
              SqlRows::row));
    }
    return answer;
  }
}
