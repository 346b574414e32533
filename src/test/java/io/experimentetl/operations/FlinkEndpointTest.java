package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FlinkEndpointTest {
  private static final String VALUES =
      "/jobs/j/vertices/v1/subtasks/metrics?get=continuity.etl.resending_rows&agg=max";

  private HttpServer jobManager;
  private FlinkEndpoint flink;

  @BeforeEach
  void start() throws Exception {
    jobManager = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    jobManager.start();
    flink = new FlinkEndpoint("http://127.0.0.1:" + jobManager.getAddress().getPort());
  }

  @AfterEach
  void stop() {
    jobManager.stop(0);
  }

  private void answers(Map<String, String> answers) {
    jobManager.createContext(
        "/",
        exchange -> {
          byte[] body =
              answers
                  .getOrDefault(exchange.getRequestURI().toString(), "{}")
                  .getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
  }

  private static final String JOB =
      "{\"vertices\": [{\"id\": \"v0\", \"name\": \"commit\"},"
          + " {\"id\": \"v1\", \"name\": \"Source: postgres-changes -> continuity -> route\"}]}";

  @Test
  void metricOfAnOperatorIsReadFromTheTaskItIsPartOf() {
    answers(
        Map.of(
            "/jobs/j",
            JOB,
            VALUES,
            "[{\"id\": \"continuity.etl.resending_rows\", \"max\": 41.0}]"));
    assertThat(flink.metric("j", "continuity", "etl.resending_rows")).hasValue(41);
    assertThat(flink.metric("j", "arrival", "etl.resending_rows")).isEmpty();
  }

  @Test
  void operatorsAreThePartsOfTheTasksNames() {
    answers(
        Map.of(
            "/jobs/j",
            "{\"vertices\": [{\"name\": \"Source: postgres-changes -> continuity -> (route, findings: Writer)\"},"
                + " {\"name\": \"commit\"}]}"));
    assertThat(flink.operators("j"))
        .containsExactly("postgres-changes", "continuity", "route", "findings", "commit");
  }

  @Test
  void metricThatTheJobManagerHasNotCollectedIsAbsent() {
    answers(Map.of("/jobs/j", JOB, VALUES, "[]"));
    assertThat(flink.metric("j", "continuity", "etl.resending_rows")).isEmpty();
  }
}
