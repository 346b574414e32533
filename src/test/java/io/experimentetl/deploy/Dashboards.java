package io.experimentetl.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Grafana's dashboards in the repository, and their queries with the variables substituted. */
public final class Dashboards {
  public static final Path PIPELINE = Path.of("deploy/monitoring/dashboards/pipeline.json");
  public static final Path EXPERIMENTS = Path.of("deploy/monitoring/dashboards/experiments.json");

  private static final ObjectMapper JSON = new ObjectMapper();

  private Dashboards() {}

  public static JsonNode read(Path file) throws IOException {
    return JSON.readTree(file.toFile());
  }

  /** A variable's query; those that choose a data source are left out. */
  public static Map<String, String> variables(JsonNode dashboard) {
    Map<String, String> variables = new LinkedHashMap<>();
    for (JsonNode variable : dashboard.at("/templating/list")) {
      if (variable.get("type").asText().equals("query")) {
        variables.put(variable.get("name").asText(), variable.get("query").asText());
      }
    }
    return variables;
  }

  /** The queries by the title of their panel. */
  public static Map<String, List<String>> queries(JsonNode dashboard) {
    Map<String, List<String>> queries = new LinkedHashMap<>();
    for (JsonNode panel : dashboard.get("panels")) {
      for (JsonNode target : panel.path("targets")) {
        queries
            .computeIfAbsent(panel.get("title").asText(), title -> new ArrayList<>())
            .add(target.has("expr") ? target.get("expr").asText() : target.get("rawSql").asText());
      }
    }
    return queries;
  }

  /** A query of Prometheus as Grafana sends it. */
  public static String promql(String query, String job, String rateInterval) {
    return query.replace("$job", job).replace("$__rate_interval", rateInterval);
  }

  /** A query of ClickHouse as Grafana's plugin sends it, over the last 400 days. */
  public static String sql(String query, Map<String, String> values) {
    String sql = query;
    for (Map.Entry<String, String> value : values.entrySet()) {
      sql =
          sql.replace(
              "${" + value.getKey() + ":sqlstring}",
              "'" + value.getValue().replace("'", "''") + "'");
    }
    long now = System.currentTimeMillis() / 1000;
    return sql.replace("$__fromTime", "toDateTime(" + (now - 400 * 86_400L) + ")")
        .replace("$__toTime", "toDateTime(" + now + ")");
  }
}
