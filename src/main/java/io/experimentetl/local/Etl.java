package io.experimentetl.local;

import io.experimentetl.config.InvalidConfigurationException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** The launcher's command line: each verb is a class of its own. */
@Command(
    name = "etl",
    mixinStandardHelpOptions = true,
    description =
        "experiment-etl on one machine: real servers, the job on a Flink cluster, and the audit.",
    synopsisSubcommandLabel = "VERB",
    subcommands = {
      UpCommand.class,
      SuperviseCommand.class,
      StatusCommand.class,
      SubmitCommand.class,
      RedeployCommand.class,
      RestateCommand.class,
      ForgetCommand.class,
      DeadLettersCommand.class,
      DownCommand.class,
      CommandLine.HelpCommand.class
    })
public final class Etl {
  /** Verbs of other packages. */
  private static final List<String> VERBS =
      List.of(
          "io.experimentetl.local.demo.DemoCommand",
          "io.experimentetl.bench.BenchCommand",
          "io.experimentetl.chaos.ChaosCommand",
          "io.experimentetl.local.resync.ResyncCommand",
          "io.experimentetl.audit.VerifyCommand",
          "io.experimentetl.report.ReportCommand");

  private Etl() {}

  /** Where the verbs find the repository and the platform; a picocli mixin. */
  public static final class Place {
    @Option(
        names = "--directory",
        paramLabel = "DIR",
        description =
            "where the platform keeps its data, logs and state (default: target/platform)")
    Path directory;

    /** The repository's root. */
    public Path home() {
      return Path.of(System.getProperty("etl.home", ".")).toAbsolutePath().normalize();
    }

    public Path directory() {
      return directory == null
          ? home().resolve("target").resolve("platform")
          : directory.toAbsolutePath().normalize();
    }

    /** The shaded job jar. */
    public Path jobJar() {
      return home().resolve("target").resolve("experiment-etl.jar");
    }

    /**
     * The addresses of the platform that {@code ./etl up} or {@code ./etl demo} keeps in the
     * directory.
     *
     * @throws PlatformException saying that none runs
     */
    public PlatformAddresses running() {
      return PlatformAddresses.read(directory())
          .orElseThrow(
              () ->
                  new PlatformException(
                      "no platform runs in " + directory() + "; start it with ./etl up"));
    }
  }

  /** How a job follows the one before it; a picocli mixin. */
  static final class Successor {
    @Option(
        names = "--parallelism",
        paramLabel = "N",
        description = "default: the cluster's parallelism.default")
    int parallelism;

    @Option(
        names = "--end",
        paramLabel = "METRIC",
        description =
            "a metric that the configuration does not name any more, and that is to end for good; may be repeated")
    List<String> ending = List.of();
  }

  public static void main(String[] args) {
    CommandLine line = new CommandLine(new Etl());
    VERBS.stream().map(Etl::verb).flatMap(Optional::stream).forEach(line::addSubcommand);
    // Audit and report know nothing of the platform; here they read the running one when they
    // aren't told otherwise.
    for (String verb : List.of("verify", "report")) {
      Optional.ofNullable(line.getSubcommands().get(verb))
          .ifPresent(reader -> reader.setDefaultValueProvider(Etl::runningJobConfig));
    }
    line.setExecutionExceptionHandler(
        (exception, command, parsed) -> {
          if (exception instanceof PlatformException
              || exception instanceof InvalidConfigurationException) {
            command.getErr().println(command.getCommandName() + ": " + exception.getMessage());
          } else {
            exception.printStackTrace(command.getErr());
          }
          return 1;
        });
    System.exit(line.execute(args));
  }

  private static String runningJobConfig(ArgSpec argument) {
    return argument instanceof OptionSpec option && option.longestName().equals("--config")
        ? PlatformAddresses.read(new Place().directory())
            .map(platform -> platform.jobConfig().toString())
            .orElse(null)
        : null;
  }

  private static Optional<Object> verb(String type) {
    try {
      return Optional.of(Class.forName(type).getDeclaredConstructor().newInstance());
    } catch (ClassNotFoundException e) {
      // Not built into this launcher.
      return Optional.empty();
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(type + " needs a public constructor without arguments", e);
    }
  }
}
