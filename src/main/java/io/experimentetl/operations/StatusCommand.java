package io.experimentetl.operations;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code status}. */
@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description = {
      "Shows the servers, the job, its last checkpoint, the replication slot's lag and the warehouse's progress.",
      "It answers within seconds, also when a server hangs."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:every server answers, the job runs, the warehouse is current, and no scheduled task has failed",
      "1:one of these does not hold; its line says why"
    })
public final class StatusCommand implements Callable<Integer> {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Option(names = "--json", description = "print one JSON object, for programs")
  private boolean json;

  public StatusCommand(DeploymentOptions options) {
    this.options = options;
  }

  /** The output of {@code --json}. */
  private record Answer(boolean healthy, List<StatusLine> lines) {}

  @Override
  public Integer call() {
    List<StatusLine> lines = new StatusLook(options.deployment()).lines();
    boolean healthy = lines.stream().allMatch(StatusLine::healthy);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      try {
        out.println(JSON.writeValueAsString(new Answer(healthy, lines)));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    } else {
      lines.forEach(
          line ->
              out.printf(
                  "%-11s %s%s%n", line.name(), line.healthy() ? "" : "UNHEALTHY: ", line.text()));
    }
    out.flush();
    return healthy ? 0 : 1;
  }
}
