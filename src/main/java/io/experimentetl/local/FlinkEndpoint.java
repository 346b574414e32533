package io.experimentetl.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A Flink cluster's REST interface, ours or another.
 *
 * @param url e.g. {@code http://127.0.0.1:8081}, which is the web UI too
 */
public record FlinkEndpoint(String url) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();
  private static final Duration POLL = Duration.ofMillis(200);

  /**
   * A job as the overview lists it.
   *
   * @param state Flink's own word: CREATED, RUNNING, RESTARTING, FAILED, FINISHED, CANCELED …
   */
  public record Job(String id, String name, String state) {
    /** Whether it still holds slots, or will again by itself. */
    public boolean isActive() {
      return !state.equals("FAILED") && !state.equals("FINISHED") && !state.equals("CANCELED");
    }
  }

  /**
   * A completed checkpoint.
   *
   * @param path where a job can be started from
   * @param endToEndMillis how long it took
   * @param triggeredAtMillis since the epoch, by the JobManager's clock
   */
  public record Checkpoint(
      long id, String path, long endToEndMillis, long sizeBytes, long triggeredAtMillis) {}

  /** Tasks of a job. */
  record Tasks(int all, int running) {
    boolean allRun() {
      return all > 0 && all == running;
    }
  }

  /**
   * What a job failed with last.
   *
   * @param at by the JobManager's clock
   */
  record Failure(RootCause cause, Instant at) {}

  /**
   * Uploads the jar and runs its main class on the JobManager.
   *
   * @param parallelism 0: the cluster's default
   * @return the job's id
   * @throws PlatformException with the job's own message when its main fails
   */
  public String submit(
      Path jar, List<String> arguments, Optional<String> savepoint, int parallelism) {
    String jarId = upload(jar);
    ObjectNode body = JSON.createObjectNode();
    arguments.forEach(body.putArray("programArgsList")::add);
    savepoint.ifPresent(path -> body.put("savepointPath", path));
    if (parallelism > 0) {
      body.put("parallelism", parallelism);
    }
    try {
      return post("/jars/" + jarId + "/run", body).path("jobid").asText();
    } finally {
      send(request("/jars/" + jarId).DELETE().build(), "DELETE /jars/" + jarId);
    }
  }

  /**
   * Stops the job behind a canonical savepoint; everything before it is committed.
   *
   * @param directory a URI all processes of the cluster can write to
   * @return the savepoint's path
   */
  public String stopWithSavepoint(String jobId, String directory, Duration deadline) {
    ObjectNode body = JSON.createObjectNode();
    body.put("targetDirectory", directory);
    body.put("drain", false);
    body.put("formatType", "CANONICAL");
    String trigger = post("/jobs/" + jobId + "/stop", body).path("request-id").asText();
    long end = System.nanoTime() + deadline.toNanos();
    while (System.nanoTime() < end) {
      JsonNode answer = get("/jobs/" + jobId + "/savepoints/" + trigger);
      if (answer.path("status").path("id").asText().equals("COMPLETED")) {
        JsonNode operation = answer.path("operation");
        if (operation.has("failure-cause")) {
          throw new PlatformException(
              "the savepoint of job %s failed, and the job was not stopped: %s"
                  .formatted(
                      jobId,
                      RootCause.of(operation.path("failure-cause").path("stack-trace").asText())
                          .text()));
        }
        String location = operation.path("location").asText();
        awaitState(jobId, "FINISHED", Duration.ofNanos(Math.max(1, end - System.nanoTime())));
        return location;
      }
      ServerProcess.pause(POLL);
    }
    throw new PlatformException(
        "job %s was not stopped with a savepoint within %d s; see %s/#/job/running/%s/checkpoints"
            .formatted(jobId, deadline.toSeconds(), url, jobId));
  }

  /** Takes a canonical savepoint of a job that runs on, and returns its path. */
  public String savepoint(String jobId, String directory, Duration deadline) {
    ObjectNode body = JSON.createObjectNode();
    body.put("target-directory", directory);
    body.put("cancel-job", false);
    body.put("formatType", "CANONICAL");
    String trigger = post("/jobs/" + jobId + "/savepoints", body).path("request-id").asText();
    long end = System.nanoTime() + deadline.toNanos();
    while (System.nanoTime() < end) {
      JsonNode answer = get("/jobs/" + jobId + "/savepoints/" + trigger);
      if (answer.path("status").path("id").asText().equals("COMPLETED")) {
        JsonNode location = answer.path("operation").path("location");
        if (location.isMissingNode()) {
          throw new PlatformException(
              "the savepoint of job " + jobId + " failed:\n" + answer.path("operation"));
        }
        return location.asText();
      }
      ServerProcess.pause(POLL);
    }
    throw new PlatformException(
        "no savepoint of job %s within %d s".formatted(jobId, deadline.toSeconds()));
  }

  public void cancel(String jobId) {
    send(
        request("/jobs/" + jobId + "?mode=cancel")
            .method("PATCH", HttpRequest.BodyPublishers.noBody())
            .build(),
        "cancel " + jobId);
  }

  /** All jobs the cluster remembers, the latest first. */
  public List<Job> jobs() {
    List<JsonNode> nodes = new ArrayList<>();
    get("/jobs/overview").path("jobs").forEach(nodes::add);
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

  /** The latest job that is not at its end. */
  public Optional<Job> activeJob() {
    return jobs().stream().filter(Job::isActive).findFirst();
  }

  public String state(String jobId) {
    return get("/jobs/" + jobId).path("state").asText();
  }

  /**
   * Waits for a state of the job.
   *
   * @throws PlatformException with the job's exception, when it ends otherwise or the deadline
   *     passes
   */
  public void awaitState(String jobId, String wanted, Duration deadline) {
    long end = System.nanoTime() + deadline.toNanos();
    String state = "";
    while (System.nanoTime() < end) {
      state = state(jobId);
      if (state.equals(wanted)) {
        return;
      }
      if (!new Job(jobId, "", state).isActive()) {
        break;
      }
      ServerProcess.pause(POLL);
    }
    throw new PlatformException(
        "job %s is %s, not %s (waited up to %d s). %s"
            .formatted(jobId, state, wanted, deadline.toSeconds(), rootException(jobId)));
  }

  /**
   * Waits until every task of the job runs, which RUNNING of the job alone doesn't say.
   *
   * @throws PlatformException with the job's exception, when it ends or the deadline passes
   */
  public void awaitAllTasksRunning(String jobId, Duration deadline) {
    long end = System.nanoTime() + deadline.toNanos();
    while (System.nanoTime() < end) {
      if (tasks(jobId).allRun()) {
        return;
      }
      String state = state(jobId);
      if (!new Job(jobId, "", state).isActive()) {
        throw new PlatformException(
            "job %s is %s. %s".formatted(jobId, state, rootException(jobId)));
      }
      ServerProcess.pause(POLL);
    }
    throw new PlatformException(
        "the tasks of job %s did not all run within %d s; it is %s. %s"
            .formatted(jobId, deadline.toSeconds(), state(jobId), rootException(jobId)));
  }

  /** How many tasks the job has, and how many of them run. */
  Tasks tasks(String jobId) {
    int all = 0;
    int running = 0;
    for (JsonNode vertex : get("/jobs/" + jobId).path("vertices")) {
      all += vertex.path("parallelism").asInt();
      running += vertex.path("tasks").path("RUNNING").asInt();
    }
    return new Tasks(all, running);
  }

  /** The last completed checkpoint. */
  public Optional<Checkpoint> lastCheckpoint(String jobId) {
    JsonNode node = get("/jobs/" + jobId + "/checkpoints").path("latest").path("completed");
    if (node.isMissingNode() || node.isNull()) {
      return Optional.empty();
    }
    return Optional.of(
        new Checkpoint(
            node.path("id").asLong(),
            node.path("external_path").asText(),
            node.path("end_to_end_duration").asLong(),
            node.path("checkpointed_size").asLong(),
            node.path("trigger_timestamp").asLong()));
  }

  /**
   * How often the job was restarted after failures: the most attempts of any of its tasks. The
   * metric numRestarts says the same, when the JobManager finds the time to collect it.
   */
  public long restarts(String jobId) {
    long restarts = 0;
    for (JsonNode vertex : get("/jobs/" + jobId).path("vertices")) {
      for (JsonNode subtask :
          get("/jobs/" + jobId + "/vertices/" + vertex.path("id").asText()).path("subtasks")) {
        restarts = Math.max(restarts, subtask.path("attempt").asLong());
      }
    }
    return restarts;
  }

  /** Since when the job is in the state that it is in. */
  Instant inStateSince(String jobId) {
    JsonNode job = get("/jobs/" + jobId);
    return Instant.ofEpochMilli(job.path("timestamps").path(job.path("state").asText()).asLong());
  }

  /** What the job failed with last. */
  Optional<Failure> lastFailure(String jobId) {
    JsonNode entries =
        get("/jobs/" + jobId + "/exceptions").path("exceptionHistory").path("entries");
    return entries.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Failure(
                RootCause.of(entries.get(0).path("stacktrace").asText()),
                Instant.ofEpochMilli(entries.get(0).path("timestamp").asLong())));
  }

  /** What the job failed with last, or that it did not, as a sentence. */
  public String rootException(String jobId) {
    return lastFailure(jobId)
        .map(failure -> "It failed with:\n" + failure.cause().text())
        .orElse("The cluster knows no exception of it.");
  }

  /** A key of the cluster's configuration. */
  Optional<String> setting(String key) {
    for (JsonNode entry : get("/jobmanager/config")) {
      if (entry.path("key").asText().equals(key)) {
        return Optional.of(entry.path("value").asText());
      }
    }
    return Optional.empty();
  }

  /** How many TaskManagers are registered. */
  public int taskManagers() {
    return get("/overview").path("taskmanagers").asInt();
  }

  /** Task slots of all registered TaskManagers, used or free. */
  int slots() {
    return get("/overview").path("slots-total").asInt();
  }

  /** {@code GET}s a path of the REST interface. */
  public JsonNode get(String path) {
    return send(request(path).GET().build(), "GET " + path);
  }

  private JsonNode post(String path, JsonNode body) {
    return send(
        request(path)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
            .build(),
        "POST " + path);
  }

  private String upload(Path jar) {
    String boundary = "experiment-etl-" + ServerIdentity.randomHex();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    try {
      String header =
          "--%s\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"%s\"\r\n"
              + "Content-Type: application/x-java-archive\r\n\r\n";
      body.writeBytes(
          header.formatted(boundary, jar.getFileName()).getBytes(StandardCharsets.UTF_8));
      body.writeBytes(Files.readAllBytes(jar));
      body.writeBytes("\r\n--%s--\r\n".formatted(boundary).getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new PlatformException("the job's jar " + jar + " can't be read: " + e, e);
    }
    JsonNode answer =
        send(
            request("/jars/upload")
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .POST(HttpRequest.BodyPublishers.ofByteArray(body.toByteArray()))
                .build(),
            "POST /jars/upload");
    return Path.of(answer.path("filename").asText()).getFileName().toString();
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofMinutes(3));
  }

  private JsonNode send(HttpRequest request, String what) {
    try {
      HttpResponse<String> response =
          HTTP.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
      if (response.statusCode() / 100 != 2) {
        RootCause cause = cause(response.body());
        throw new PlatformException(
            cause.ours()
                ? cause.text()
                : "Flink at %s refused %s (HTTP %d): %s"
                    .formatted(url, what, response.statusCode(), cause.text()));
      }
      return response.body().isEmpty() ? JSON.nullNode() : JSON.readTree(response.body());
    } catch (IOException e) {
      throw new PlatformException("Flink at " + url + " does not answer " + what + ": " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while asking Flink", e);
    }
  }

  /** Flink answers with a list of texts; the last one is, or holds, what is wrong. */
  private static RootCause cause(String body) {
    try {
      String last = body;
      for (JsonNode text : JSON.readTree(body).path("errors")) {
        last = text.asText();
      }
      return RootCause.of(
          last.replace("<Exception on server side:", "")
              .replace("End of exception on server side>", ""));
    } catch (JsonProcessingException e) {
      return RootCause.of(body);
    }
  }
}
