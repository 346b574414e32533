package io.experimentetl.local;

import io.experimentetl.local.demo.DemoCommand;
import io.experimentetl.operations.OperationsMain;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The launcher's command line: the operator's verbs, and those of the one-machine platform. */
@Command(
    name = "etl",
    mixinStandardHelpOptions = true,
    versionProvider = OperationsMain.Version.class,
    description = {
      "experiment-etl on one machine: real servers, the job on a Flink cluster, and the audit.",
      "The operator's verbs work on the running platform, or on the servers that --config and --flink name."
    },
    synopsisSubcommandLabel = "VERB",
    subcommands = {
      UpCommand.class,
      SuperviseCommand.class,
      DownCommand.class,
      CommandLine.HelpCommand.class
    })
public final class Etl {
  private Etl() {}

  /** All verbs except those of the test tree. */
  public static CommandLine commandLine() {
    CommandLine line = new CommandLine(new Etl()).addSubcommand(new DemoCommand());
    OperationsMain.addVerbs(line, PlatformDatabases::new, PlatformDeployment::new);
    return line;
  }

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }
}
