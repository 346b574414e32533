package io.experimentetl.operations;

import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The verb {@code bluegreen}. */
@Command(
    name = "bluegreen",
    mixinStandardHelpOptions = true,
    description = {
      "Runs the present jar and configuration as a second job (green) beside the running one (blue), and lets it take over.",
      "start: copies the replication slot and, up to a savepoint, the rows into the database NAME_green, and starts the green job there. It writes nothing to Kafka.",
      "compare: compares both databases. exchange: stops both jobs, exchanges their tables and starts the green one as the job; the old "
          + "tables stay in NAME_before_TIME. abort: ends the green job and removes what start has made. The blue job never notices start, compare and abort.",
      "A step that failed is run again."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:done", "1:failed; of compare also: the databases differ"})
public final class BlueGreenCommand implements Callable<Integer> {
  private enum Action {
    start,
    compare,
    exchange,
    abort
  }

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Mixin private Successor successor;

  @Parameters(paramLabel = "ACTION", description = "one of ${COMPLETION-CANDIDATES}")
  private Action action;

  @Option(
      names = "--accept-differences",
      description = "exchange although compare has found differences, or has not run")
  private boolean acceptDifferences;

  public BlueGreenCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    BlueGreenParts parts = BlueGreenParts.of(options.deployment(), successor, log);
    try (BlueGreenMemory.Lock alone = parts.memory().lock()) {
      return run(parts);
    }
  }

  private int run(BlueGreenParts parts) {
    switch (action) {
      case start -> new BlueGreen(parts).start();
      case compare -> {
        return new BlueGreen(parts).compare() ? 0 : 1;
      }
      case exchange -> new GreenExchange(parts).run(acceptDifferences);
      case abort -> new GreenRemoval(parts).abort();
    }
    return 0;
  }
}
