package io.experimentetl.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.operations.NamedDeployment;
import io.experimentetl.operations.NamedServers;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command line's answers when an option or a server is missing. */
class ToolTest {
  @TempDir private Path folder;

  @Command
  private static final class AllVerbs {}

  private record Ran(int exitCode, String text) {}

  private static Ran run(String... words) {
    CommandLine line = new CommandLine(new AllVerbs());
    Tool.addVerbs(line, NamedServers::new, () -> new NamedDeployment(Path.of("job.jar")));
    StringWriter text = new StringWriter();
    int exitCode = line.setOut(new PrintWriter(text)).setErr(new PrintWriter(text)).execute(words);
    return new Ran(exitCode, text.toString());
  }

  @Test
  void missingOptionIsReportedWithoutAStackTrace() throws Exception {
    Path config = Files.writeString(folder.resolve("shop.yaml"), "source: {host: localhost}");
    for (String verb : new String[] {"status", "submit", "redeploy", "resync"}) {
      Ran ran = run(verb);
      assertThat(ran.exitCode()).isEqualTo(1);
      assertThat(ran.text()).contains("--config FILE").doesNotContain("\tat ");
    }
    assertThat(run("redeploy", "--config", config.toString()).text()).contains("--flink URL");
    assertThat(run("verify").exitCode()).isEqualTo(2);
    assertThat(run("report", "checkout").text()).contains("--config FILE, or --clickhouse-url");
    assertThat(run("forget").text()).contains("Nothing names the ClickHouse");
  }

  @Test
  void deadlineOfNoSecondIsRefused() throws Exception {
    assertThat(run("verify", "--deadline", "0").text())
        .contains("--deadline is 0: give at least 1 second");
  }

  @Test
  void unreachableClusterIsReportedWithItsAddress() throws Exception {
    Path config =
        Files.writeString(
            folder.resolve("shop.yaml"),
            "source: {host: 127.0.0.1, port: 1}\nclickhouse: {url: 'http://127.0.0.1:1'}\n");
    Ran ran = run("status", "--config", config.toString(), "--flink", "http://127.0.0.1:1/");
    assertThat(ran.exitCode()).isEqualTo(1);
    assertThat(ran.text())
        .contains("Flink at http://127.0.0.1:1 does not answer")
        .doesNotContain("\tat ", "Kafka");
  }
}
