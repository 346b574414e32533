package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FirstCheckpointTest {
  private static final String CHECKPOINTS = "/jobs/j/checkpoints";

  private final List<String> lines = new ArrayList<>();
  private StubJobManager jobManager;

  @BeforeEach
  void start() throws Exception {
    jobManager = new StubJobManager();
    jobManager.answer("/jobs/j", "{\"state\": \"RUNNING\"}");
    jobManager.answer(CHECKPOINTS + "/config", "{\"interval\": 300, \"timeout\": 200}");
  }

  @AfterEach
  void stop() {
    jobManager.close();
  }

  private void await() {
    new FirstCheckpoint(jobManager.endpoint(), lines::add).await("j");
  }

  @Test
  void waitEndsWithTheFirstCompletedCheckpoint() {
    jobManager.answer(CHECKPOINTS, "{\"latest\": {\"completed\": {\"id\": 7}}}");
    await();
    assertThat(lines)
        .containsExactly(
            "waiting for the first checkpoint, with which rows become visible ...",
            "checkpoint 7 is complete");
  }

  @Test
  void waitEndsWithTheCauseWhenNoCheckpointCompletes() {
    jobManager.answer(
        CHECKPOINTS,
        "{\"counts\": {\"failed\": 2}, \"latest\": {\"completed\": null, \"failed\": {\"failure_message\": \"disk full\"}}}");
    assertThatThrownBy(this::await)
        .as("the job goes on")
        .isInstanceOf(FirstCheckpoint.LateException.class)
        .hasMessageMatching("(?s)no checkpoint of job j is complete after \\d+ s; 2 failed.*")
        .hasMessageContaining("disk full")
        .hasMessageContaining("see status");
  }

  @Test
  void waitEndsWhenTheJobDoes() {
    jobManager.answer("/jobs/j", "{\"state\": \"FAILED\"}");
    assertThatThrownBy(this::await)
        .isNotInstanceOf(FirstCheckpoint.LateException.class)
        .hasMessageContaining("job j is FAILED before its first checkpoint");
  }

  @Test
  void waitThatTheJobManagerDoesNotAnswerTakesNothingBack() {
    jobManager.close();
    assertThatThrownBy(this::await)
        .isInstanceOf(FirstCheckpoint.LateException.class)
        .hasMessageContaining("job j was started");
  }
}
