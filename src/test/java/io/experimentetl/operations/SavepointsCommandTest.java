package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class SavepointsCommandTest {
  @TempDir private Path folder;

  private StubJobManager jobManager;
  private DeploymentMemory memory;

  @BeforeEach
  void start() throws Exception {
    memory = new DeploymentMemory(folder, Optional.empty());
    jobManager = new StubJobManager();
    jobManager.answer(
        "/jobs/overview",
        "{\"jobs\": [{\"jid\": \"j\", \"name\": \"experiment-etl\", \"state\": \"RUNNING\"}]}");
    jobManager.answer("/savepoint-disposal", "{\"request-id\": \"d\"}");
    jobManager.answer("/savepoint-disposal/d", "{\"status\": {\"id\": \"COMPLETED\"}}");
    jobManager.answer("/jobs/j/savepoints", "{\"request-id\": \"r\"}");
    jobManager.answer(
        "/jobs/j/savepoints/r",
        "{\"status\": {\"id\": \"COMPLETED\"}, \"operation\": {\"location\": \"file:/sp/before-audit/savepoint-j-9\"}}");
    jobManager.answer(
        "/jobs/j/checkpoints",
        "{\"latest\": {\"restored\": {\"id\": 3, \"external_path\": \"file:/sp/savepoint-i-2\"}}}");
  }

  @AfterEach
  void stop() {
    jobManager.close();
  }

  private String run(int exitCode, String... words) {
    Deployment deployment =
        new Deployment(
            null,
            new Deployment.Cluster(
                jobManager.endpoint(), Optional.of("file:///sp/"), Duration.ofMinutes(1)),
            null,
            memory,
            Map.of(),
            Set.of());
    StringWriter text = new StringWriter();
    CommandLine line =
        new CommandLine(new SavepointsCommand(new Fixed(deployment)))
            .setExecutionExceptionHandler(
                (e, command, parsed) -> {
                  command.getOut().println(e.getMessage());
                  return 1;
                })
            .setOut(new PrintWriter(text, true))
            .setErr(new PrintWriter(text, true));
    assertThat(line.execute(words)).as(text.toString()).isEqualTo(exitCode);
    return text.toString();
  }

  /** Options that name one deployment. */
  @Command
  private record Fixed(Deployment deployment) implements DeploymentOptions {}

  private List<String> remembered() {
    return memory.savepoints().stream().map(DeploymentMemory.Savepoint::path).toList();
  }

  @Test
  void savepointIsTakenWithItsNameAndListed() {
    assertThat(run(0)).contains("no savepoint was taken");
    assertThat(run(0, "--take", "before-audit")).contains("savepoint file:/sp/before-audit/");
    assertThat(run(0)).contains("before-audit", "file:/sp/before-audit/savepoint-j-9");
    assertThat(memory.lastSavepoint()).as("the job goes on: it is not that of a stop").isEmpty();
    assertThat(run(1, "--take", "../x")).contains("the name '../x' is not one of lower case");
  }

  @Test
  void policyKeepsTheNewestAndWhatAStartMayNeed() {
    memory.addSavepoint("first", "file:/sp/savepoint-i-1");
    // The running job was started from it; its path is written in another way here.
    memory.addSavepoint("second", "file:///sp/savepoint-i-2");
    memory.rememberSavepoint("file:/sp/savepoint-j-3");
    memory.addSavepoint("fourth", "file:/sp/savepoint-j-4");

    assertThat(run(0, "--keep", "1"))
        .contains(
            "removed file:/sp/savepoint-i-1",
            "kept, because a start may need it: file:///sp/savepoint-i-2",
            "kept, because a start may need it: file:/sp/savepoint-j-3");
    assertThat(jobManager.posted("/savepoint-disposal"))
        .containsExactly("{\"savepoint-path\":\"file:/sp/savepoint-i-1\"}");
    assertThat(remembered())
        .containsExactly(
            "file:///sp/savepoint-i-2", "file:/sp/savepoint-j-3", "file:/sp/savepoint-j-4");
    assertThat(run(1, "--keep", "0")).contains("keep at least 1");
  }

  @Test
  void savepointThatCannotBeRemovedStaysInTheList() {
    memory.addSavepoint("old", "file:/sp/savepoint-i-1");
    jobManager.answer(
        "/savepoint-disposal/d",
        "{\"status\": {\"id\": \"COMPLETED\"}, \"operation\": {\"failure-cause\": {\"class\": \"java.io.IOException\", \"stack-trace\": \"java.io.IOException: no right\"}}}");
    assertThat(run(1, "--remove", "old")).contains("could not be removed", "no right");
    assertThat(remembered()).hasSize(1);
    jobManager.answer("/savepoint-disposal/d", "{\"status\": {\"id\": \"COMPLETED\"}}");
    run(0, "--remove", "old");
    assertThat(remembered()).isEmpty();
    assertThat(run(1, "--remove", "old")).contains("no savepoint is named 'old'");
  }
}
