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
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Removes savepoints, but never one that a start may need: the last one of a stop, and the one that
 * a running job was started from.
 */
public final class SavepointRemoval {
  private static final Duration DEADLINE = Duration.ofMinutes(10);
  private static final Duration POLL = Duration.ofMillis(200);

  private final Deployment deployment;
  private final Consumer<String> log;

  /**
   * Removes savepoints of one deployment.
   *
   * @param log is told each one
   */
  public SavepointRemoval(Deployment deployment, Consumer<String> log) {
    this.deployment = deployment;
    this.log = log;
  }

  /**
   * Keeps the newest savepoints and those that a start may need.
   *
   * @param number at least 1
   * @return how many were removed
   * @throws OperationsException when the cluster cannot remove one
   */
  public int keepNewest(int number) {
    List<Savepoint> all = deployment.memory().savepoints();
    return remove(all.subList(0, Math.max(0, all.size() - number)));
  }

  /** Removes these savepoints, and returns how many were. */
  int remove(List<Savepoint> unneeded) {
    if (unneeded.isEmpty()) {
      return 0;
    }
    FlinkEndpoint flink = deployment.flink();
    Set<String> needed = new HashSet<>();
    deployment.memory().lastSavepoint().map(Savepoint::folderOf).ifPresent(needed::add);
    Stream.of(ExperimentEtlJob.NAME, ExperimentEtlJob.GREEN_NAME)
        .map(flink::activeJob)
        .flatMap(Optional::stream)
        .map(job -> flink.restoredFrom(job.id()))
        .flatMap(Optional::stream)
        .map(Savepoint::folderOf)
        .forEach(needed::add);
    int removed = 0;
    for (Savepoint savepoint : unneeded) {
      if (needed.contains(savepoint.folder())) {
        log.accept("kept, because a start may need it: " + savepoint.path());
        continue;
      }
      dispose(flink, savepoint.path());
      deployment.memory().removeSavepoint(savepoint.path());
      log.accept("removed " + savepoint.path());
      removed++;
    }
    return removed;
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
