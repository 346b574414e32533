package io.experimentetl.launcher;

import io.experimentetl.bench.BenchCommand;
import io.experimentetl.chaos.ChaosCommand;
import io.experimentetl.local.Etl;
import picocli.CommandLine;

/** The main of {@code ./etl}: all verbs, with those that need the fault proxy and the peers. */
public final class Launcher {
  private Launcher() {}

  static CommandLine commandLine() {
    return Etl.commandLine().addSubcommand(new ChaosCommand()).addSubcommand(new BenchCommand());
  }

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }
}
