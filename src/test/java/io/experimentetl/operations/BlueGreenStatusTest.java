package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.JobConfig;
import io.experimentetl.operations.BlueGreenMemory.State;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BlueGreenStatusTest {
  @TempDir private Path folder;

  private StubJobManager jobManager;

  @BeforeEach
  void start() throws Exception {
    jobManager = new StubJobManager();
  }

  @AfterEach
  void stop() {
    jobManager.close();
  }

  private record NoServers() implements Databases {
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
      throw new AssertionError();
    }

    @Override
    public ClickHouseLogin clickHouse() {
      throw new AssertionError();
    }
  }

  private Deployment deployment() {
    return new Deployment(
        new NoServers(),
        new Deployment.Cluster(jobManager.endpoint(), Optional.empty(), Duration.ZERO),
        new Deployment.Files(folder, folder, ""),
        new DeploymentMemory(folder, Optional.empty()),
        Map.of(),
        Set.of());
  }

  private BlueGreenStatus status(State state) {
    return BlueGreenStatus.of(state, false, deployment());
  }

  private void greenJobIs(String state) {
    jobManager.answer(
        "/jobs/overview",
        "{\"jobs\": [{\"jid\": \"g\", \"name\": \"experiment-etl-green\", \"state\": \"%s\"}]}"
            .formatted(state));
  }

  @Test
  void killedStepIsUnhealthyAndNamesTheRemedy() {
    BlueGreenStatus begun = status(State.BEGUN);
    assertThat(begun.healthy()).isFalse();
    assertThat(begun.text()).contains("the slot experiment_etl_green", "run bluegreen abort");

    BlueGreenStatus exchanging = status(State.BEGUN.submitting("g").blueStopped("file:/s"));
    assertThat(exchanging.healthy()).isFalse();
    assertThat(exchanging.text()).contains("run bluegreen exchange again");
  }

  @Test
  void greenJobIsHealthyWhileItRuns() {
    State running = State.BEGUN.submitting("g").running();
    greenJobIs("RUNNING");
    assertThat(status(running).healthy()).isTrue();

    greenJobIs("FAILED");
    assertThat(status(running).healthy()).isFalse();
    assertThat(status(running).text()).contains("the slot experiment_etl_green", "abort");
  }

  @Test
  void stepAtWorkIsHealthyAndKeepsOthersOut() {
    BlueGreenMemory memory = new BlueGreenMemory(deployment().memory());
    assertThat(memory.isLocked()).isFalse();
    try (BlueGreenMemory.Lock alone = memory.lock()) {
      assertThat(memory.isLocked()).isTrue();
      assertThatThrownBy(memory::lock).hasMessageContaining("another process runs bluegreen");
      assertThat(BlueGreenStatus.of(State.BEGUN, memory.isLocked(), deployment()).healthy())
          .isTrue();
    }
    assertThat(memory.isLocked()).isFalse();
  }
}
