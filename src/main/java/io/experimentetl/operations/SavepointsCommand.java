package io.experimentetl.operations;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.operations.DeploymentMemory.Savepoint;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
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
  private static final Duration POLL = Duration.ofMillis(200);
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
      remove(deployment, unneeded(deployment.memory().savepoints()), log);
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

  private List<Savepoint> unneeded(List<Savepoint> all) {
    if (action.remove != null) {
      List<Savepoint> named =
          all.stream().filter(savepoint -> savepoint.name().equals(action.remove)).toList();
      if (named.isEmpty()) {
        throw new OperationsException(
            "no savepoint is named '%s': savepoints lists them".formatted(action.remove));
      }
      return named;
    }
    if (action.keep < 1) {
      throw new OperationsException("--keep " + action.keep + ": keep at least 1");
    }
    return all.subList(0, Math.max(0, all.size() - action.keep));
  }

  private static void remove(
      Deployment deployment, List<Savepoint> unneeded, Consumer<String> log) {
    FlinkEndpoint flink = deployment.flink();
    Set<String> needed = new HashSet<>();
    deployment.memory().lastSavepoint().map(Savepoint::folderOf).ifPresent(needed::add);
    Optional<FlinkEndpoint.Job> job = flink.activeJob(ExperimentEtlJob.NAME);
    job.flatMap(of -> flink.restoredFrom(of.id())).map(Savepoint::folderOf).ifPresent(needed::add);
    for (Savepoint savepoint : unneeded) {
      if (needed.contains(savepoint.folder())) {
        log.accept("kept, because a start may need it: " + savepoint.path());
        continue;
      }
      dispose(flink, savepoint.path());
      deployment.memory().removeSavepoint(savepoint.path());
      log.accept("removed " + savepoint.path());
    }
  }

  /**
   * Removes a savepoint's files, by the cluster.
   *
   * @throws OperationsException with the cause when it could not
   */
  private static void dispose(FlinkEndpoint flink, String path) {
    FlinkHttp http = new FlinkHttp(flink.url());
    ObjectNode body = FlinkHttp.JSON.createObjectNode();
    body.put("savepoint-path", path);
    String request = http.post("/savepoint-disposal", body).path("request-id").asText();
    JsonNode done =
        Polling.until(
                DEADLINE,
                POLL,
                () ->
                    Optional.of(http.get("/savepoint-disposal/" + request))
                        .filter(
                            answer ->
                                answer.path("status").path("id").asText().equals("COMPLETED")))
            .orElseThrow(
                () ->
                    new OperationsException(
                        "savepoint %s was not removed within %d s"
                            .formatted(path, DEADLINE.toSeconds())));
    if (done.path("operation").has("failure-cause")) {
      throw new OperationsException(
          "savepoint %s could not be removed: %s"
              .formatted(
                  path,
                  RootCause.of(
                          done.path("operation").path("failure-cause").path("stack-trace").asText())
                      .firstLine()));
    }
  }
}
