package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ServerProcessTest {
  @TempDir Path directory;

  @Test
  void serverEndsWithItsParentEvenAfterKill9() throws Exception {
    Process parent =
        new ProcessBuilder(
                JavaCommand.java(),
                "-Xmx32m",
                "-cp",
                JavaCommand.classPathOf(Parent.class, ServerProcess.class),
                Parent.class.getName(),
                directory.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    long pid;
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(parent.getInputStream(), StandardCharsets.UTF_8))) {
      pid = Long.parseLong(out.readLine());
    }
    ProcessHandle server = ProcessHandle.of(pid).orElseThrow();
    assertThat(server.isAlive()).isTrue();

    parent.destroyForcibly().waitFor();

    server.onExit().get(30, TimeUnit.SECONDS);
  }

  @Test
  void serverThatEndsWhileStartingIsReportedWithItsLog() {
    ServerProcess server = start("echo 'no licence found'; exit 3");

    assertThatThrownBy(() -> server.awaitHealthy(Duration.ofSeconds(30), () -> false))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("the server ended with exit code 3 while starting")
        .hasMessageContaining("no licence found");
  }

  @Test
  void serverThatNeverAnswersIsReportedWithTheLastError() {
    ServerProcess server = start("exec sleep 600");

    assertThatThrownBy(
            () ->
                server.awaitHealthy(
                    Duration.ofSeconds(1),
                    () -> {
                      throw new IOException("connection refused");
                    }))
        .hasMessageContaining("the server did not answer within 1 s")
        .hasMessageContaining("connection refused");
    server.kill9();
    assertThat(server.isAlive()).isFalse();
  }

  @Test
  void serverThatIgnoresItsSignalIsKilled() {
    ServerProcess server = start("trap '' TERM; echo ready; while true; do sleep 1; done");
    server.awaitHealthy(Duration.ofSeconds(30), () -> server.logTail().contains("ready"));

    server.stop(Duration.ofSeconds(1));

    assertThat(server.isAlive()).isFalse();
  }

  private ServerProcess start(String script) {
    return start(directory, script);
  }

  private static ServerProcess start(Path directory, String script) {
    return ServerProcess.start(
        new ServerProcess.Command(
            "the server",
            List.of("bash", "-c", script),
            Map.of(),
            directory,
            directory.resolve("server.log"),
            "TERM"));
  }

  /** Starts a server, prints its process id and does nothing more. */
  static final class Parent {
    private Parent() {}

    public static void main(String[] args) throws InterruptedException {
      System.out.println(start(Path.of(args[0]), "exec sleep 600").pid());
      Thread.currentThread().join();
    }
  }
}
