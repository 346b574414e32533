package io.experimentetl.operations;

import io.experimentetl.operations.DeploymentMemory.Savepoint;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code savepoints}. */
@Command(
    name = "savepoints",
    mixinStandardHelpOptions = true,
    description = {
      "Lists the savepoints that the verbs took, takes one with a name while the job goes on, or removes what is no longer needed.",
      "The last savepoint of a stop, and the one that the running job was started from, are never removed."
    })
public final class SavepointsCommand implements Callable<Integer> {
  private static final Duration DEADLINE = Duration.ofMinutes(10);
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9-]{0,59}");

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @ArgGroup private Action action;

  private static final class Action {
    @Option(
        names = "--take",
        paramLabel = "NAME",
        description = "take a savepoint; the name is lower case letters, digits and hyphens")
    private String take;

    @Option(
        names = "--remove",
        paramLabel = "NAME",
        description = "remove the savepoints of a name")
    private String remove;

    @Option(
        names = "--keep",
        paramLabel = "NUMBER",
        description = "remove all savepoints but this number of newest ones")
    private Integer keep;
  }

  public SavepointsCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    Deployment deployment = options.deployment();
    if (action == null) {
      list(deployment, log);
    } else if (action.take != null) {
      take(deployment, log);
    } else {
      SavepointRemoval removal = new SavepointRemoval(deployment, log);
      if (action.remove == null) {
        removal.keepNewest(requirePositive(action.keep));
      } else {
        removal.remove(named(deployment.memory().savepoints()));
      }
    }
    return 0;
  }

  private static void list(Deployment deployment, Consumer<String> log) {
    List<Savepoint> all = deployment.memory().savepoints();
    if (all.isEmpty()) {
      log.accept("no savepoint was taken");
    }
    all.forEach(
        savepoint ->
            log.accept(
                "%s  %-12s %s".formatted(savepoint.takenAt(), savepoint.name(), savepoint.path())));
  }

  private void take(Deployment deployment, Consumer<String> log) {
    if (!NAME.matcher(action.take).matches()) {
      throw new OperationsException(
          "the name '%s' is not one of lower case letters, digits and hyphens, at most 60"
              .formatted(action.take));
    }
    FlinkEndpoint flink = deployment.flink();
    FlinkEndpoint.Job job = JobDeployment.runningJob(flink);
    String folder = JobDeployment.savepointDirectory(deployment).replaceFirst("/+$", "");
    String path = flink.savepoint(job.id(), folder + "/" + action.take, DEADLINE);
    deployment.memory().addSavepoint(action.take, path);
    log.accept("savepoint " + path);
  }

  private List<Savepoint> named(List<Savepoint> all) {
    List<Savepoint> named =
        all.stream().filter(savepoint -> savepoint.name().equals(action.remove)).toList();
    if (named.isEmpty()) {
      throw new OperationsException(
          "no savepoint is named '%s': savepoints lists them".formatted(action.remove));
    }
    return named;
  }

  private static int requirePositive(int keep) {
    if (keep < 1) {
      throw new OperationsException("--keep " + keep + ": keep at least 1");
    }
    return keep;
  }
}
