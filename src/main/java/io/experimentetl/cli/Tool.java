package io.experimentetl.cli;

import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.maintenance.ArchiveCommand;
import io.experimentetl.maintenance.CleanupCommand;
import io.experimentetl.maintenance.ForgetCommand;
import io.experimentetl.maintenance.MaintainCommand;
import io.experimentetl.maintenance.PartitionsCommand;
import io.experimentetl.operations.BlueGreenCommand;
import io.experimentetl.operations.CancelCommand;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.DeadLettersCommand;
import io.experimentetl.operations.DeploymentOptions;
import io.experimentetl.operations.MapCommand;
import io.experimentetl.operations.NamedDeployment;
import io.experimentetl.operations.NamedServers;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.RedeployCommand;
import io.experimentetl.operations.ReportCommand;
import io.experimentetl.operations.RestateCommand;
import io.experimentetl.operations.ResyncCommand;
import io.experimentetl.operations.SavepointsCommand;
import io.experimentetl.operations.StatusCommand;
import io.experimentetl.operations.SubmitCommand;
import io.experimentetl.operations.VerifyCommand;
import io.experimentetl.serve.ServeCommand;
import java.io.File;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The operator's command line: {@code java -jar experiment-etl.jar VERB}. */
@Command(
    name = "experiment-etl",
    mixinStandardHelpOptions = true,
    versionProvider = Tool.Version.class,
    description = {
      "Operates the job experiment-etl on any servers: a PostgreSQL, a ClickHouse and a Flink cluster.",
      "Passwords come from the environment variables EXPERIMENT_ETL_SOURCE_PASSWORD and EXPERIMENT_ETL_CLICKHOUSE_PASSWORD, or from files."
    },
    footer = {"", "The job itself: flink run experiment-etl.jar --config FILE"},
    synopsisSubcommandLabel = "VERB",
    subcommands = CommandLine.HelpCommand.class)
public final class Tool {
  private Tool() {}

  /** The build's version, from the jar's manifest. */
  public static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "experiment-etl "
            + Optional.ofNullable(Tool.class.getPackage().getImplementationVersion())
                .orElse("(not packaged)")
      };
    }
  }

  public static void main(String[] args) {
    CommandLine line = new CommandLine(new Tool());
    addVerbs(line, NamedServers::new, () -> new NamedDeployment(jar()));
    System.exit(line.execute(args));
  }

  /**
   * Adds the operator's verbs to a command line, and prints their expected errors without a stack
   * trace.
   *
   * @param databases a new instance of the options that name databases
   * @param deployments a new instance of the options that name a deployment
   */
  public static void addVerbs(
      CommandLine line,
      Supplier<? extends Databases> databases,
      Supplier<? extends DeploymentOptions> deployments) {
    line.addSubcommand(new MapCommand(databases.get()))
        .addSubcommand(new StatusCommand(deployments.get()))
        .addSubcommand(new VerifyCommand(databases.get()))
        .addSubcommand(new ReportCommand(databases.get()))
        .addSubcommand(new SubmitCommand(deployments.get()))
        .addSubcommand(new CancelCommand(deployments.get()))
        .addSubcommand(new RedeployCommand(deployments.get()))
        .addSubcommand(new SavepointsCommand(deployments.get()))
        .addSubcommand(new BlueGreenCommand(deployments.get()))
        .addSubcommand(new RestateCommand(deployments.get()))
        .addSubcommand(new ResyncCommand(deployments.get()))
        .addSubcommand(new DeadLettersCommand(databases.get()))
        .addSubcommand(new ForgetCommand(databases.get()))
        .addSubcommand(new CleanupCommand(databases.get()))
        .addSubcommand(new ArchiveCommand(databases.get()))
        .addSubcommand(new PartitionsCommand(databases.get()))
        .addSubcommand(new MaintainCommand(databases.get()))
        .addSubcommand(new ServeCommand(deployments.get()));
    // Each verb takes --version too, and prints the same.
    for (CommandLine verb : line.getSubcommands().values()) {
      verb.getCommandSpec().versionProvider(line.getCommandSpec().versionProvider());
    }
    line.setExecutionExceptionHandler(
        (exception, command, parsed) -> {
          if (exception instanceof OperationsException
              || exception instanceof InvalidConfigurationException) {
            command.getErr().println(command.getCommandName() + ": " + exception.getMessage());
          } else {
            exception.printStackTrace(command.getErr());
          }
          command.getErr().flush();
          return 1;
        });
  }

  /** The jar that this class comes from: it is the job's too. */
  private static Path jar() {
    try {
      return new File(Tool.class.getProtectionDomain().getCodeSource().getLocation().toURI())
          .toPath();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
