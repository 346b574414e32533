package io.experimentetl.launcher;

import io.experimentetl.bench.BenchCommand;
import io.experimentetl.chaos.ChaosCommand;
import io.experimentetl.local.Etl;

/** The main of {@code ./etl}: all verbs, with those that need the fault proxy and the peers. */
public final class Launcher {
  private Launcher() {}

  public static void main(String[] args) {
    System.exit(
        Etl.commandLine()
            .addSubcommand(new ChaosCommand())
            .addSubcommand(new BenchCommand())
            .execute(args));
  }
}
