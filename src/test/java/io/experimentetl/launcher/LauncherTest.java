package io.experimentetl.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.UsageMessageSpec;

/** The command line of {@code ./etl}. */
class LauncherTest {
  @TempDir private Path folder;

  private static String run(String... words) {
    StringWriter text = new StringWriter();
    int exitCode =
        Launcher.commandLine()
            .setOut(new PrintWriter(text))
            .setErr(new PrintWriter(text))
            .execute(words);
    assertThat(exitCode).as(text.toString()).isZero();
    return text.toString();
  }

  @Test
  void everyVerbTakesADirectory() {
    for (Map.Entry<String, CommandLine> verb : Launcher.commandLine().getSubcommands().entrySet()) {
      if (!(verb.getValue().getCommand() instanceof HelpCommand)) {
        assertThat(verb.getValue().getCommandSpec().findOption("--directory"))
            .as(verb.getKey())
            .isNotNull();
      }
    }
  }

  /** The list of verbs shows the first line of each description. */
  @Test
  void helpDescribesEachVerbInAWholeSentence() {
    for (Map.Entry<String, CommandLine> verb : Launcher.commandLine().getSubcommands().entrySet()) {
      UsageMessageSpec usage = verb.getValue().getCommandSpec().usageMessage();
      if (!usage.hidden() && !(verb.getValue().getCommand() instanceof HelpCommand)) {
        assertThat(usage.description()[0]).as(verb.getKey()).matches("[A-Z].*\\.");
      }
    }
    assertThat(run("help")).contains("verify", "chaos", "needs no");
    assertThat(run("help", "down")).contains("--delete");
  }

  @Test
  void downDeletesTheDirectoryOfAPlatformThatIsDown() throws Exception {
    Path platform = Files.createDirectories(folder.resolve("platform"));
    Files.writeString(Files.createDirectory(platform.resolve("postgres")).resolve("x"), "data");

    run("down", "--delete", "--directory", platform.toString());

    assertThat(platform).doesNotExist();
  }
}
