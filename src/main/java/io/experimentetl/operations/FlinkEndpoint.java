package io.experimentetl.operations;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * A Flink cluster, through its REST interface.
 *
 * @param url e.g. {@code http://127.0.0.1:8081}, the address of the web UI too
 */
public record FlinkEndpoint(String url) {
  private static final Duration POLL = Duration.ofMillis(200);
  private static final int OK = 200;
  private static final int NOT_FOUND = 404;

  /**
   * A job as the cluster lists it.
   *
   * @param state as Flink names it: CREATED, RUNNING, RESTARTING, FAILED, FINISHED, CANCELED …
   */
  public record Job(String id, String name, String state) {
    /** Whether it holds slots, or will again without a new submission. */
    public boolean isActive() {
      return !state.equals("FAILED") && !state.equals("FINISHED") && !state.equals("CANCELED");
    }
  }

  /**
   * A completed checkpoint or savepoint.
   *
   * @param path the path from which a job can be started
   * @param endToEndMillis its duration
   * @param triggeredAtMillis milliseconds since 1970, by the JobManager's clock
   */
  public record Checkpoint(
      long id, String path, long endToEndMillis, long sizeBytes, long triggeredAtMillis) {
    private static Optional<Checkpoint> of(JsonNode node) {
      return node.isMissingNode() || node.isNull()
          ? Optional.empty()
          : Optional.of(
              new Checkpoint(
                  node.path("id").asLong(),
                  node.path("external_path").asText(),
                  node.path("end_to_end_duration").asLong(),
                  node.path("checkpointed_size").asLong(),
                  node.path("trigger_timestamp").asLong()));
    }
  }

  /** The number of a job's tasks. */
  public record Tasks(int all, int running) {
    public boolean allRun() {
      return all > 0 && all == running;
    }
  }

  /**
   * A job's last failure.
   *
   * @param occurredAt by the JobManager's clock
   */
  public record Failure(RootCause cause, Instant occurredAt) {}

  /**
   * Whether the cluster refuses jars: it runs in application mode, where it starts and ends with
   * its job, or {@code web.submit.enable} is false.
   */
  boolean refusesJars() {
    return http().status("/jars") == NOT_FOUND;
  }

  /** Whether a JobManager answers. */
  boolean answers() {
    try {
      return http().status("/overview") == OK;
    } catch (FlinkHttp.NoAnswerException e) {
      return false;
    }
  }

  /**
   * Uploads the jar and runs its main class on the JobManager.
   *
   * @param parallelism 0: the cluster's default
   * @return the job's id
   * @throws OperationsException with the job's own message when its main fails
   */
  public String submit(
      Path jar, List<String> arguments, Optional<String> savepoint, int parallelism) {
    ObjectNode body = FlinkHttp.JSON.createObjectNode();
    savepoint.ifPresent(path -> body.put("savepointPath", path));
    return ofJar(jar, "run", arguments, parallelism, body).path("jobid").asText();
  }

  /**
   * The same, from a savepoint that may hold the state of operators that the job does not have.
   *
   * @param id of the job, 32 hexadecimal digits
   */
  void submitWithLess(
      Path jar, String id, List<String> arguments, String savepoint, int parallelism) {
    ObjectNode body = FlinkHttp.JSON.createObjectNode().put("jobId", id);
    body.put("savepointPath", savepoint).put("allowNonRestoredState", true);
    ofJar(jar, "run", arguments, parallelism, body);
  }

  /**
   * Runs the jar's main class on the JobManager up to its execution: it checks everything and
   * starts nothing.
   *
   * @param parallelism 0: the cluster's default
   * @throws OperationsException with the job's own message when its main fails
   */
  void check(Path jar, List<String> arguments, int parallelism) {
    ofJar(jar, "plan", arguments, parallelism, FlinkHttp.JSON.createObjectNode());
  }

  private JsonNode ofJar(
      Path jar, String action, List<String> arguments, int parallelism, ObjectNode body) {
    arguments.forEach(body.putArray("programArgsList")::add);
    if (parallelism > 0) {
      body.put("parallelism", parallelism);
    }
    String jarId = http().upload(jar);
    try {
      return http().post("/jars/" + jarId + "/" + action, body);
    } finally {
      http().delete("/jars/" + jarId);
    }
  }

  /**
   * Starts to stop a job with a canonical savepoint; {@link #savepoint} has the result.
   *
   * @param directory a URI that all processes of the cluster can write to
   * @return the id of the request
   */
  String triggerStop(String jobId, String directory) {
    ObjectNode body = FlinkHttp.JSON.createObjectNode();
    body.put("targetDirectory", directory);
    body.put("drain", false);
    body.put("formatType", "CANONICAL");
    return http().post("/jobs/" + jobId + "/stop", body).path("request-id").asText();
  }

  /**
   * The savepoint of a request.
   *
   * @return its path; empty while it is in progress
   * @throws OperationsException with the cause when it failed: the job goes on
   */
  Optional<String> savepoint(String jobId, String requestId) {
    JsonNode answer = http().get("/jobs/" + jobId + "/savepoints/" + requestId);
    if (!answer.path("status").path("id").asText().equals("COMPLETED")) {
      return Optional.empty();
    }
    JsonNode operation = answer.path("operation");
    if (operation.has("failure-cause")) {
      throw new OperationsException(
          "the savepoint of job %s failed, and the job goes on: %s"
              .formatted(
                  jobId,
                  RootCause.of(operation.path("failure-cause").path("stack-trace").asText())
                      .text()));
    }
    return Optional.of(operation.path("location").asText());
  }

  /**
   * Stops the job with a canonical savepoint. Everything before it is committed.
   *
   * @param directory a URI that all processes of the cluster can write to
   * @return the savepoint's path
   */
  public String stopWithSavepoint(String jobId, String directory, Duration deadline) {
    long end = System.nanoTime() + deadline.toNanos();
    String request = triggerStop(jobId, directory);
    String location =
        Polling.until(deadline, POLL, () -> savepoint(jobId, request))
            .orElseThrow(() -> notStopped(jobId, deadline));
    try {
      awaitState(jobId, "FINISHED", Duration.ofNanos(Math.max(1, end - System.nanoTime())));
    } catch (FlinkHttp.NoAnswerException e) {
      // In application mode the cluster ends with its job.
    }
    return location;
  }

  private OperationsException notStopped(String jobId, Duration deadline) {
    return new OperationsException(
        "job %s was not stopped with a savepoint within %d s; see %s/#/job/running/%s/checkpoints"
            .formatted(jobId, deadline.toSeconds(), url, jobId));
  }

  /** Takes a canonical savepoint of a job, which continues, and returns its path. */
  public String savepoint(String jobId, String directory, Duration deadline) {
    ObjectNode body = FlinkHttp.JSON.createObjectNode();
    body.put("target-directory", directory);
    body.put("cancel-job", false);
    body.put("formatType", "CANONICAL");
    String request =
        http().post("/jobs/" + jobId + "/savepoints", body).path("request-id").asText();
    return Polling.until(deadline, POLL, () -> savepoint(jobId, request))
        .orElseThrow(
            () ->
                new OperationsException(
                    "no savepoint of job %s within %d s".formatted(jobId, deadline.toSeconds())));
  }

  public void cancel(String jobId) {
    http().patch("/jobs/" + jobId + "?mode=cancel");
  }

  /** All jobs the cluster remembers, the latest first. */
  public List<Job> jobs() {
    List<JsonNode> nodes = new ArrayList<>();
    http().get("/jobs/overview").path("jobs").forEach(nodes::add);
    nodes.sort(
        (a, b) -> Long.compare(b.path("start-time").asLong(), a.path("start-time").asLong()));
    return nodes.stream()
        .map(
            node ->
                new Job(
                    node.path("jid").asText(),
                    node.path("name").asText(),
                    node.path("state").asText()))
        .toList();
  }

  /** The latest job of this name. */
  Optional<Job> latestJob(String name) {
    return jobs().stream().filter(job -> job.name().equals(name)).findFirst();
  }

  /** The latest job of this name that has not ended. */
  public Optional<Job> activeJob(String name) {
    return jobs().stream().filter(job -> job.name().equals(name)).filter(Job::isActive).findFirst();
  }

  /** The active job of this name; the latest one if none is active. */
  Optional<Job> currentJob(String name) {
    List<Job> named = jobs().stream().filter(job -> job.name().equals(name)).toList();
    return named.stream().filter(Job::isActive).findFirst().or(() -> named.stream().findFirst());
  }

  public String state(String jobId) {
    return http().get("/jobs/" + jobId).path("state").asText();
  }

  /**
   * Waits for a state of the job.
   *
   * @throws OperationsException with the job's exception, when it ends in another state or the
   *     deadline passes
   */
  public void awaitState(String jobId, String wanted, Duration deadline) {
    Predicate<String> isEnd = state -> !new Job(jobId, "", state).isActive();
    String state =
        Polling.until(
                deadline,
                POLL,
                () ->
                    Optional.of(state(jobId)).filter(now -> now.equals(wanted) || isEnd.test(now)))
            .orElseGet(() -> state(jobId));
    if (!state.equals(wanted)) {
      throw new OperationsException(
          "job %s is %s, not %s (waited up to %d s). %s"
              .formatted(jobId, state, wanted, deadline.toSeconds(), rootException(jobId)));
    }
  }

  /**
   * Waits until every task of the job runs. The job itself is RUNNING before that.
   *
   * @throws OperationsException with the job's exception, when it ends or the deadline passes
   */
  public void awaitAllTasksRunning(String jobId, Duration deadline) {
    Optional<String> running =
        Polling.until(
            deadline,
            POLL,
            () -> {
              if (tasks(jobId).allRun()) {
                return Optional.of(jobId);
              }
              String state = state(jobId);
              if (!new Job(jobId, "", state).isActive()) {
                throw new OperationsException(
                    "job %s is %s. %s".formatted(jobId, state, rootException(jobId)));
              }
              return Optional.empty();
            });
    if (running.isEmpty()) {
      throw new OperationsException(
          "the tasks of job %s did not all run within %d s; it is %s. %s"
              .formatted(jobId, deadline.toSeconds(), state(jobId), rootException(jobId)));
    }
  }

  /** The names of the job's operators, as far as its tasks are named by them. */
  List<String> operators(String jobId) {
    Set<String> names = new LinkedHashSet<>();
    for (JsonNode vertex : http().get("/jobs/" + jobId).path("vertices")) {
      for (String part : vertex.path("name").asText().split(" -> |[(),\\[\\]]", -1)) {
        String name = part.strip().replaceFirst("^Source: ", "").replaceFirst(": \\w+$", "");
        if (!name.isEmpty()) {
          names.add(name);
        }
      }
    }
    return List.copyOf(names);
  }

  /** How many tasks the job has, and how many of them run. */
  public Tasks tasks(String jobId) {
    int all = 0;
    int running = 0;
    for (JsonNode vertex : http().get("/jobs/" + jobId).path("vertices")) {
      all += vertex.path("parallelism").asInt();
      running += vertex.path("tasks").path("RUNNING").asInt();
    }
    return new Tasks(all, running);
  }

  /** The last completed checkpoint. */
  public Optional<Checkpoint> lastCheckpoint(String jobId) {
    return Checkpoint.of(latestCheckpoints(jobId).path("completed"));
  }

  /** The last completed savepoint. */
  Optional<Checkpoint> lastSavepoint(String jobId) {
    return Checkpoint.of(latestCheckpoints(jobId).path("savepoint"));
  }

  /** The path that the job was started from, or restored from after its last failure. */
  Optional<String> restoredFrom(String jobId) {
    return Checkpoint.of(latestCheckpoints(jobId).path("restored")).map(Checkpoint::path);
  }

  private JsonNode latestCheckpoints(String jobId) {
    return http().get("/jobs/" + jobId + "/checkpoints").path("latest");
  }

  /**
   * The checkpoints of a job that failed.
   *
   * @param count since the job was started
   */
  public record FailedCheckpoints(long count, RootCause lastCause, Instant lastAt) {}

  /**
   * The checkpoints of a job.
   *
   * @param last the last completed one
   * @param failed empty: none failed
   */
  record Checkpoints(Optional<Checkpoint> last, Optional<FailedCheckpoints> failed) {}

  /** What a job's checkpoints are now, by one request. */
  Checkpoints checkpoints(String jobId) {
    JsonNode checkpoints = http().get("/jobs/" + jobId + "/checkpoints");
    JsonNode latest = checkpoints.path("latest");
    JsonNode failed = latest.path("failed");
    return new Checkpoints(
        Checkpoint.of(latest.path("completed")),
        failed.isMissingNode() || failed.isNull()
            ? Optional.empty()
            : Optional.of(
                new FailedCheckpoints(
                    checkpoints.path("counts").path("failed").asLong(),
                    RootCause.of(failed.path("failure_message").asText("unknown")),
                    Instant.ofEpochMilli(failed.path("failure_timestamp").asLong()))));
  }

  /** The parameters that the job published when it was started. */
  Map<String, String> jobParameters(String jobId) {
    Map<String, String> parameters = new TreeMap<>();
    http()
        .get("/jobs/" + jobId + "/config")
        .path("execution-config")
        .path("user-config")
        .fields()
        .forEachRemaining(field -> parameters.put(field.getKey(), field.getValue().asText()));
    return parameters;
  }

  /**
   * How often the job was restarted after failures: the most attempts of any of its tasks. The
   * metric numRestarts has the same value, but only when the JobManager has collected it.
   */
  public long restarts(String jobId) {
    long restarts = 0;
    for (JsonNode vertex : http().get("/jobs/" + jobId).path("vertices")) {
      for (JsonNode subtask :
          http()
              .get("/jobs/" + jobId + "/vertices/" + vertex.path("id").asText())
              .path("subtasks")) {
        restarts = Math.max(restarts, subtask.path("attempt").asLong());
      }
    }
    return restarts;
  }

  /**
   * The greatest value of an operator's metric over its subtasks, as the JobManager has last
   * collected it; empty: there is no such operator, or the JobManager has not collected it yet. A
   * request makes it collect.
   */
  OptionalLong metric(String jobId, String operator, String metric) {
    for (JsonNode vertex : http().get("/jobs/" + jobId).path("vertices")) {
      if (vertex.path("name").asText().contains(operator)) {
        for (JsonNode found :
            http()
                .get(
                    "/jobs/%s/vertices/%s/subtasks/metrics?get=%s.%s&agg=max"
                        .formatted(jobId, vertex.path("id").asText(), operator, metric))) {
          return OptionalLong.of(found.path("max").asLong());
        }
      }
    }
    return OptionalLong.empty();
  }

  /** When the job entered its present state. */
  public Instant inStateSince(String jobId) {
    JsonNode job = http().get("/jobs/" + jobId);
    return Instant.ofEpochMilli(job.path("timestamps").path(job.path("state").asText()).asLong());
  }

  public Optional<Failure> lastFailure(String jobId) {
    JsonNode entries =
        http().get("/jobs/" + jobId + "/exceptions").path("exceptionHistory").path("entries");
    return entries.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Failure(
                RootCause.of(entries.get(0).path("stacktrace").asText()),
                Instant.ofEpochMilli(entries.get(0).path("timestamp").asLong())));
  }

  /** The job's last failure as a sentence. */
  public String rootException(String jobId) {
    return lastFailure(jobId)
        .map(failure -> "It failed with:\n" + failure.cause().text())
        .orElse("The cluster knows no exception of it.");
  }

  /** A key of the cluster's configuration. */
  public Optional<String> setting(String key) {
    for (JsonNode entry : http().get("/jobmanager/config")) {
      if (entry.path("key").asText().equals(key)) {
        return Optional.of(entry.path("value").asText());
      }
    }
    return Optional.empty();
  }

  /** How old an answer about a job may be. */
  Duration refreshInterval() {
    return Duration.ofMillis(http().get("/config").path("refresh-interval").asLong());
  }

  /** How many TaskManagers are registered. */
  public int taskManagers() {
    return http().get("/overview").path("taskmanagers").asInt();
  }

  /** Task slots of all registered TaskManagers, used or free. */
  public int slots() {
    return http().get("/overview").path("slots-total").asInt();
  }

  /** Task slots of all registered TaskManagers that no job uses. */
  int freeSlots() {
    return http().get("/overview").path("slots-available").asInt();
  }

  /** {@code GET}s a path of the REST interface. */
  public JsonNode get(String path) {
    return http().get(path);
  }

  private FlinkHttp http() {
    return new FlinkHttp(url);
  }
}
