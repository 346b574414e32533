package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.audit.VerdictRecord;
import io.experimentetl.config.JobConfig;
import io.experimentetl.deploy.Dashboards;
import io.experimentetl.deploy.MetricsPage;
import io.experimentetl.local.PrometheusServer;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.operations.PrometheusText;
import io.experimentetl.operations.ServerMetrics;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * A running job as its engineer watches it: a real Prometheus scrapes Flink's reporter and what
 * {@code serve} says, and has the repository's alert rules.
 */
final class WatchedJob implements AutoCloseable {
  private static final String JOB = MetricsPage.JOB_PREFIX;
  private static final Duration DEADLINE = Duration.ofSeconds(90);

  /** What the job exposes only with Kafka as its source, with early writes or with lookups. */
  private static final Set<String> OF_OTHER_JOBS =
      Set.of(
          "late_rows_total",
          "lookups_missed_total",
          "lookups_rewritten_total",
          "early_batches_total",
          "early_rows_total",
          "early_write_retries_total",
          "last_early_write_seconds");

  private final JobDatabases databases;
  private final JobConfig config;
  private final HttpServer servers;
  private final PrometheusServer prometheus;

  /**
   * Starts Prometheus.
   *
   * @param reporter the port of Flink's reporter
   * @param flink the JobManager's REST address
   */
  WatchedJob(JobDatabases databases, JobConfig config, Path folder, int reporter, URI flink)
      throws IOException {
    this.databases = databases;
    this.config = config;
    ServerMetrics metrics =
        ServerMetrics.of(new TestDatabases(databases, config), new FlinkEndpoint(flink.toString()));
    servers = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    servers.createContext(
        "/metrics",
        exchange -> {
          PrometheusText text = new PrometheusText();
          metrics.write(text);
          byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
          exchange.getResponseHeaders().set("Content-Type", ServerMetrics.MEDIA_TYPE);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    servers.start();
    prometheus =
        PrometheusServer.start(
            folder,
            Map.of(
                "flink",
                URI.create("http://127.0.0.1:" + reporter + "/metrics"),
                "serve",
                URI.create("http://127.0.0.1:" + servers.getAddress().getPort() + "/metrics")));
  }

  private record TestDatabases(JobDatabases databases, JobConfig config) implements Databases {
    @Override
    public Optional<Path> configFile() {
      return Optional.empty();
    }

    @Override
    public PostgresLogin postgres() {
      return new PostgresLogin(
          databases.postgres().jdbcUrl(),
          databases.postgres().user(),
          databases.postgres().password());
    }

    @Override
    public ClickHouseLogin clickHouse() {
      return databases.clickHouse().login();
    }
  }

  /** Records a verdict, as verify --record does, and a run of the daily task. */
  void record(AuditReport report) throws SQLException {
    databases.execute(
        "INSERT INTO etl_schedule (task, due_at, next_at, finished_at, outcome) VALUES ('daily', now(), now() + interval '1 day', now(), 'DONE')");
    try (VerdictRecord verdict =
        new VerdictRecord(
            AuditSettings.of(
                config,
                databases.postgres().jdbcUrl(),
                databases.postgres().user(),
                databases.postgres().password(),
                databases.clickHouse().login().connection(),
                DEADLINE))) {
      verdict.write(report);
    }
  }

  /** The job exposes exactly the documented metrics, and so do the servers. */
  void assertMetricsAreDocumented() throws IOException {
    Set<String> expected = new TreeSet<>(MetricsPage.table("job").keySet());
    expected.removeAll(OF_OTHER_JOBS);
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () ->
                assertThat(
                        prometheus.series(JOB).stream()
                            .map(name -> name.substring(JOB.length()))
                            .toList())
                    .containsExactlyElementsOf(expected));
    Set<String> ofServers = new TreeSet<>(MetricsPage.table("servers").keySet());
    ofServers.remove("etl_serve_requests_total");
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> {
              assertThat(prometheus.query("etl_up == 1")).as("servers that answer").hasSize(3);
              Set<String> found = new TreeSet<>(prometheus.series("etl_"));
              assertThat(ofServers).containsAll(found);
              Set<String> absent = new TreeSet<>(ofServers);
              absent.removeAll(found);
              assertThat(absent)
                  .as("there may be no query log, limit of the WAL or refusal")
                  .isSubsetOf(
                      "etl_slot_safe_wal_bytes",
                      "etl_clickhouse_slow_queries",
                      "etl_metrics_refused");
            });
    Set<String> flink = MetricsPage.table("flink").keySet();
    assertThat(prometheus.series("flink_")).containsAll(flink);
  }

  void awaitAlerts(String... alerts) {
    await().atMost(DEADLINE).untilAsserted(() -> assertThat(prometheus.firing()).contains(alerts));
  }

  /** Every query of the operator's dashboard has data. */
  void assertPipelineDashboardHasData() throws IOException {
    JsonNode dashboard = Dashboards.read(Dashboards.PIPELINE);
    assertThat(Dashboards.variables(dashboard))
        .containsExactly(
            Map.entry("job", "label_values(flink_jobmanager_job_runningTime, job_name)"));
    String job =
        prometheus
            .query("group by (job_name) (flink_jobmanager_job_runningTime)")
            .at("/0/metric/job_name")
            .asText();
    assertThat(job).isNotEmpty();
    Map<String, List<String>> panels = Dashboards.queries(dashboard);
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> {
              List<String> empty = new ArrayList<>();
              for (Map.Entry<String, List<String>> panel : panels.entrySet()) {
                for (String query : panel.getValue()) {
                  if (prometheus.query(Dashboards.promql(query, job, "15s")).isEmpty()) {
                    empty.add(panel.getKey() + ": " + query);
                  }
                }
              }
              assertThat(empty).isEmpty();
            });
  }

  /** Every query of the analyst's dashboard has data for some experiment and metric. */
  void assertExperimentsDashboardHasData() throws IOException {
    JsonNode dashboard = Dashboards.read(Dashboards.EXPERIMENTS);
    Map<String, String> variables = Dashboards.variables(dashboard);
    assertThat(variables).containsOnlyKeys("experiment", "metric");
    Set<String> empty = new TreeSet<>(Dashboards.queries(dashboard).keySet());
    for (String experiment : lines(variables.get("experiment"), Map.of())) {
      for (String metric : lines(variables.get("metric"), Map.of("experiment", experiment))) {
        Map<String, String> values = new LinkedHashMap<>();
        values.put("experiment", experiment);
        values.put("metric", metric);
        Dashboards.queries(dashboard)
            .forEach(
                (panel, queries) -> {
                  for (String query : queries) {
                    if (!lines(query, values).isEmpty()) {
                      empty.remove(panel);
                    }
                  }
                });
      }
    }
    assertThat(empty).isEmpty();
  }

  private List<String> lines(String query, Map<String, String> values) {
    return databases
        .clickHouse()
        .query(Dashboards.sql(query, values) + " FORMAT TSV")
        .lines()
        .filter(line -> !line.isEmpty())
        .toList();
  }

  @Override
  public void close() {
    prometheus.close();
    servers.stop(0);
  }
}
