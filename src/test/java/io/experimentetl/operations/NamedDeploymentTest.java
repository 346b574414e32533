package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

class NamedDeploymentTest {
  @TempDir private Path folder;

  @Command
  private static final class AnyVerb {
    @Mixin private final NamedDeployment options = new NamedDeployment(Path.of("job.jar"));
  }

  /** A JobManager that was restarted without high availability knows no job. */
  @Test
  void latestStateIsFoundInTheFolderOfTheCluster() throws IOException {
    Path state = folder.resolve("state");
    checkpoint(state.resolve("savepoints/savepoint-1a2b"), 30);
    checkpoint(state.resolve("checkpoints/0c1d/chk-7"), 20);
    Path latest = checkpoint(state.resolve("checkpoints/0c1d/chk-8"), 10);
    Files.createDirectories(state.resolve("checkpoints/0c1d/chk-9"));

    assertThat(latestState("--cluster-state", state.toString()))
        .contains(latest.toUri().toString());
    assertThat(latestState()).isEmpty();
  }

  @Test
  void latestSavepointOfTheToolMayBeNewerThanTheFolder() throws IOException {
    Path state = folder.resolve("state");
    checkpoint(state.resolve("checkpoints/5e6f/chk-3"), 60);
    Files.writeString(
        Files.createDirectories(folder.resolve("memory")).resolve("last-savepoint"),
        "s3://bucket/savepoint-9\n");

    assertThat(latestState("--cluster-state", state.toString()))
        .contains("s3://bucket/savepoint-9");
  }

  private static Path checkpoint(Path path, int minutesAgo) throws IOException {
    Path metadata = Files.createDirectories(path).resolve("_metadata");
    Files.setLastModifiedTime(
        Files.writeString(metadata, "any"),
        FileTime.from(Instant.now().minusSeconds(60L * minutesAgo)));
    return path;
  }

  private Optional<String> latestState(String... more) throws IOException {
    Path config = Files.writeString(folder.resolve("shop.yaml"), "source: {host: localhost}");
    AnyVerb verb = new AnyVerb();
    String[] words = {
      "--config",
      config.toString(),
      "--flink",
      "http://127.0.0.1:1",
      "--state-directory",
      folder.resolve("memory").toString()
    };
    String[] all = new String[words.length + more.length];
    System.arraycopy(words, 0, all, 0, words.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    new CommandLine(verb).parseArgs(all);
    Deployment deployment = verb.options.deployment();
    return deployment.memory().latestState(deployment.flink());
  }
}
