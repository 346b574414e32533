package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnfinishedResyncTest {
  @TempDir private Path directory;

  @Test
  void unfinishedResyncKeepsOtherJobsFromItsState() {
    Path config = directory.resolve("job.yaml");
    UnfinishedResync resync =
        new UnfinishedResync(
            new Deployment(
                new NamedServers(),
                new Deployment.Cluster(
                    new FlinkEndpoint("http://127.0.0.1:1"), Optional.empty(), Duration.ZERO),
                new Deployment.Files(directory.resolve("job.jar"), config, config.toString()),
                new DeploymentMemory(directory.resolve("memory"), Optional.empty()),
                Map.of(),
                Set.of()));
    assertThatCode(resync::requireNone).doesNotThrowAnyException();
    resync.begin();
    assertThatThrownBy(resync::requireNone).hasMessageContaining("run resync again");
    resync.abandon();
    assertThatThrownBy(resync::requireNone).hasMessageContaining("run resync again");
    resync.end();
    assertThatCode(resync::requireNone).doesNotThrowAnyException();
  }
}
