package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.metrics.prometheus.LoopbackPrometheusReporterFactory;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Assumptions;

/** Debian's Prometheus as a process of its own, with the repository's alert rules. */
public final class PrometheusServer implements AutoCloseable {
  private static final Path RULES = Path.of("deploy/monitoring/rules.yaml");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HttpClient http = HttpClient.newHttpClient();
  private final Process process;
  private final String url;

  /**
   * The path of prometheus or promtool. Where apt-get is not, the test is skipped, but not in CI.
   */
  public static String binary(String name) {
    try {
      return DownloadCache.prometheus().resolve("usr/bin").resolve(name).toString();
    } catch (PlatformException e) {
      assertThat(System.getenv("CI")).as(e.getMessage()).isNull();
      return Assumptions.abort("no Prometheus here: " + e.getMessage());
    }
  }

  /**
   * Starts a server and waits until it is ready.
   *
   * @param folder for its data
   * @param targets URLs of metrics by the name of their job
   */
  public static PrometheusServer start(Path folder, Map<String, URI> targets) throws IOException {
    String jobs =
        targets.entrySet().stream()
            .map(
                target ->
                    """
                      - job_name: %s
                        scrape_interval: %s
                        metrics_path: %s
                        static_configs: [{targets: ["%s"]}]
                    """
                        .formatted(
                            target.getKey(),
                            // Its answer waits for three servers, and a scrape may take an
                            // interval.
                            target.getKey().equals("serve") ? "6s" : "1s",
                            target.getValue().getPath(),
                            target.getValue().getAuthority()))
            .collect(Collectors.joining());
    Path config =
        Files.writeString(
            folder.resolve("prometheus.yaml"),
            """
            global: {scrape_interval: 1s, evaluation_interval: 1s}
            rule_files: ["%s"]
            scrape_configs:
            %s"""
                .formatted(RULES.toAbsolutePath(), jobs));
    return new PrometheusServer(folder, config);
  }

  private PrometheusServer(Path folder, Path config) throws IOException {
    int port = FreePort.pick();
    url = "http://127.0.0.1:" + port;
    Path log = folder.resolve("prometheus.log");
    process =
        new ProcessBuilder(
                binary("prometheus"),
                "--config.file=" + config,
                "--storage.tsdb.path=" + folder.resolve("prometheus-data"),
                "--web.listen-address=127.0.0.1:" + port)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    Awaitility.await()
        .ignoreExceptions()
        .until(
            () -> {
              if (!process.isAlive()) {
                throw new AssertionError("Prometheus ended:\n" + Files.readString(log));
              }
              return get("/-/ready").statusCode() == 200;
            });
  }

  private HttpResponse<String> get(String path) throws IOException {
    try {
      return http.send(
          HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(10)).build(),
          HttpResponse.BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  /** The samples of a query, as Prometheus answers. */
  public JsonNode query(String promql) throws IOException {
    HttpResponse<String> answer =
        get("/api/v1/query?query=" + URLEncoder.encode(promql, StandardCharsets.UTF_8));
    assertThat(answer.statusCode()).as("%s: %s", promql, answer.body()).isEqualTo(200);
    return JSON.readTree(answer.body()).at("/data/result");
  }

  /** A port for Flink's reporter. */
  public static int freePort() {
    return FreePort.pick();
  }

  /** Adds the reporter that the platform uses to a configuration of Flink. */
  public static Configuration reportTo(int port, Configuration flink) {
    flink.setString(
        "metrics.reporter.prom.factory.class", LoopbackPrometheusReporterFactory.class.getName());
    flink.setString("metrics.reporter.prom.port", Integer.toString(port));
    return flink;
  }

  /** The names of the alerts that fire. */
  public List<String> firing() throws IOException {
    return names(query("group by (alertname) (ALERTS{alertstate=\"firing\"})"), "alertname");
  }

  /** The names of all series that begin with a prefix. */
  public List<String> series(String prefix) throws IOException {
    return names(query("group by (__name__) ({__name__=~\"" + prefix + ".*\"})"), "__name__");
  }

  private static List<String> names(JsonNode samples, String label) {
    return samples.findValuesAsText(label).stream().sorted().toList();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
