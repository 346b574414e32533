package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FlinkEndpointTest {
  private static final String VALUES =
      "/jobs/j/vertices/v1/subtasks/metrics?get=continuity.etl.resending_rows&agg=max";

  private StubJobManager jobManager;
  private FlinkEndpoint flink;

  @BeforeEach
  void start() throws Exception {
    jobManager = new StubJobManager();
    flink = jobManager.endpoint();
  }

  @AfterEach
  void stop() {
    jobManager.close();
  }

  private static final String JOB =
      "{\"vertices\": [{\"id\": \"v0\", \"name\": \"commit\"},"
          + " {\"id\": \"v1\", \"name\": \"Source: postgres-changes -> continuity -> route\"}]}";

  @Test
  void metricOfAnOperatorIsReadFromTheTaskItIsPartOf() {
    jobManager.answer("/jobs/j", JOB);
    jobManager.answer(VALUES, "[{\"id\": \"continuity.etl.resending_rows\", \"max\": 41.0}]");
    assertThat(flink.metric("j", "continuity", "etl.resending_rows")).hasValue(41);
    assertThat(flink.metric("j", "arrival", "etl.resending_rows")).isEmpty();
  }

  @Test
  void operatorsAreThePartsOfTheTasksNames() {
    jobManager.answer(
        "/jobs/j",
        "{\"vertices\": [{\"name\": \"Source: postgres-changes -> continuity -> (route, findings: Writer)\"},"
            + " {\"name\": \"commit\"}]}");
    assertThat(flink.operators("j"))
        .containsExactly("postgres-changes", "continuity", "route", "findings", "commit");
  }

  @Test
  void metricThatTheJobManagerHasNotCollectedIsAbsent() {
    jobManager.answer("/jobs/j", JOB);
    jobManager.answer(VALUES, "[]");
    assertThat(flink.metric("j", "continuity", "etl.resending_rows")).isEmpty();
  }
}
