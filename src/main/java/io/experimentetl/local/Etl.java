package io.experimentetl.local;

import io.experimentetl.cli.Tool;
import io.experimentetl.local.demo.DemoCommand;
import io.experimentetl.local.demo.ExampleCommand;
import java.io.IOException;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;

/** The launcher's command line: the operator's verbs, and those of the one-machine platform. */
@Command(
    name = "etl",
    mixinStandardHelpOptions = true,
    versionProvider = Etl.Version.class,
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

  /** The build's version: of the job's jar, which the launcher builds first. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() throws IOException {
      try (JarFile jar = new JarFile(new Place().jobJar().toFile())) {
        return new String[] {
          "experiment-etl "
              + jar.getManifest()
                  .getMainAttributes()
                  .getValue(Attributes.Name.IMPLEMENTATION_VERSION)
        };
      }
    }
  }

  /** All verbs except those of the test tree. */
  public static CommandLine commandLine() {
    CommandLine line =
        new CommandLine(new Etl())
            .addSubcommand(new DemoCommand())
            .addSubcommand(new ExampleCommand());
    Tool.addVerbs(line, PlatformDatabases::new, PlatformDeployment::new);
    return line;
  }

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }
}
