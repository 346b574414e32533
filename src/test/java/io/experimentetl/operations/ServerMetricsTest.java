package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class ServerMetricsTest {
  private static final Duration DEADLINE = Duration.ofSeconds(2);

  private static ServerMetrics of(ServerMetrics.Look first, ServerMetrics.Look second) {
    Map<String, ServerMetrics.Look> looks = new LinkedHashMap<>();
    looks.put("first", first);
    looks.put("second", second);
    return new ServerMetrics(looks, DEADLINE);
  }

  private static String text(ServerMetrics metrics) {
    PrometheusText text = new PrometheusText();
    metrics.write(text);
    return text.toString();
  }

  private static MetricSamples lag(double seconds) {
    MetricSamples samples = new MetricSamples();
    samples.add(ServerMetric.VISIBLE_LAG, seconds);
    return samples;
  }

  @Test
  void serverThatHangsCostsOnlyItsOwnMetrics() {
    CountDownLatch never = new CountDownLatch(1);
    ServerMetrics metrics =
        of(
            () -> {
              await(never);
              return new MetricSamples();
            },
            () -> lag(1.5));
    assertThat(text(metrics))
        .isEqualTo(
            """
            # HELP etl_up 1: the server answered; 0: it did not, and its metrics are absent.
            # TYPE etl_up gauge
            etl_up{server="first"} 0
            etl_up{server="second"} 1
            # HELP etl_visible_lag_seconds Age of the newest commit that readers see.
            # TYPE etl_visible_lag_seconds gauge
            etl_visible_lag_seconds 1.5
            """);
    never.countDown();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void serverThatHangsIsAskedOnceAndIsThereWhenItAnswersAgain() throws Exception {
    CountDownLatch answers = new CountDownLatch(1);
    CountDownLatch answered = new CountDownLatch(1);
    AtomicInteger asked = new AtomicInteger();
    ServerMetrics metrics =
        of(
            () -> {
              asked.incrementAndGet();
              await(answers);
              answered.countDown();
              return lag(2);
            },
            MetricSamples::new);
    assertThat(text(metrics)).contains("etl_up{server=\"first\"} 0");
    assertThat(text(metrics)).contains("etl_up{server=\"first\"} 0");
    assertThat(asked).hasValue(1);
    answers.countDown();
    answered.await();
    assertThat(text(metrics)).contains("etl_up{server=\"first\"} 1", "etl_visible_lag_seconds 2\n");
  }

  @Test
  void serverThatRefusesTheLoginIsDown() {
    ServerMetrics metrics =
        of(
            () -> {
              throw new SQLException("password authentication failed");
            },
            () -> {
              throw new OperationsException("ClickHouse does not answer");
            });
    assertThat(text(metrics))
        .contains("etl_up{server=\"first\"} 0", "etl_up{server=\"second\"} 0")
        .doesNotContain("password");
  }

  @Test
  void labelsAreEscaped() {
    MetricSamples samples = new MetricSamples();
    samples.add(ServerMetric.ROWS, 3e15, "table", "a\"b\\c\nd");
    samples.add(ServerMetric.FINDINGS_OPEN, 2, "severity", "ERROR", "code", "D-DUP-EVENT");
    PrometheusText text = new PrometheusText();
    MetricSamples.write(List.of(samples), text);
    assertThat(text.toString())
        .contains(
            "etl_clickhouse_table_rows{table=\"a\\\"b\\\\c\\nd\"} 3.0E15\n",
            "etl_findings_open{severity=\"ERROR\",code=\"D-DUP-EVENT\"} 2\n");
  }

  /** All three servers accept the connection and say nothing. */
  @Test
  void realClientsOfSilentServersGiveUp() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      int port = silent.getLocalPort();
      ServerMetrics metrics =
          ServerMetrics.of(
              new SilentDatabases(port), new FlinkEndpoint("http://127.0.0.1:" + port), DEADLINE);
      long started = System.nanoTime();
      assertThat(text(metrics).lines().filter(line -> !line.startsWith("#")))
          .containsExactly(
              "etl_up{server=\"postgres\"} 0",
              "etl_up{server=\"clickhouse\"} 0",
              "etl_up{server=\"flink\"} 0");
      assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(30));
    }
  }

  private record SilentDatabases(int port) implements Databases {
    @Override
    public Optional<Path> configFile() {
      return Optional.empty();
    }

    @Override
    public JobConfig config() {
      return JobConfig.defaults();
    }

    @Override
    public PostgresLogin postgres() {
      return new PostgresLogin("jdbc:postgresql://127.0.0.1:" + port + "/x", "x", "x");
    }

    @Override
    public ClickHouseLogin clickHouse() {
      return new ClickHouseLogin("http://127.0.0.1:" + port, "x", "x", "x");
    }
  }
}
