package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.cdc.KafkaChanges;
import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.clickhouse.MetricScope;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.model.Lsn;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.LoggerFactory;

/**
 * One look at all servers, the job and the warehouse's progress. The questions are asked side by
 * side, and one that is not answered in time is reported as such.
 */
public final class StatusLook {
  private static final Duration DEADLINE = Duration.ofSeconds(8);
  private static final int CONNECT_TIMEOUT_MILLIS = 5_000;

  private final Deployment deployment;
  private final FlinkEndpoint flink;

  /** A look at one deployment. */
  public StatusLook(Deployment deployment) {
    this.deployment = deployment;
    this.flink = deployment.flink();
  }

  /** What one question found. */
  private record Found(boolean healthy, String text, Map<String, Object> values) {
    static Found healthy(String text) {
      return new Found(true, text, Map.of());
    }
  }

  @FunctionalInterface
  private interface Question {
    Found ask() throws SQLException;
  }

  /** All lines, in the order in which they are shown. */
  public List<StatusLine> lines() {
    // Two threads that initialise it at once make it print a warning.
    LoggerFactory.getILoggerFactory();
    Databases databases = deployment.databases();
    Map<String, CompletableFuture<Found>> asked = new LinkedHashMap<>();
    ask(asked, "PostgreSQL", () -> postgres(databases.postgres()));
    ask(asked, "ClickHouse", () -> clickHouse(databases.clickHouse()));
    ask(asked, "Flink", this::taskManagers);
    if (usesKafka(databases.config())) {
      ask(asked, "Kafka", () -> kafka(databases.config()));
    }
    ask(asked, "job", this::job);
    BlueGreenMemory blueGreen = new BlueGreenMemory(deployment.memory());
    blueGreen.state().ifPresent(state -> ask(asked, "bluegreen", () -> green(blueGreen, state)));
    ask(asked, "progress", () -> progress(databases));
    ask(asked, "schedule", () -> schedule(databases.postgres()));
    long end = System.nanoTime() + DEADLINE.toNanos();
    List<StatusLine> lines = new ArrayList<>();
    asked.forEach((name, answer) -> lines.add(line(name, answer, end)));
    return lines;
  }

  /** In a thread of its own: a question to a server that hangs must not delay the others. */
  private static void ask(
      Map<String, CompletableFuture<Found>> asked, String name, Question question) {
    CompletableFuture<Found> answer = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                answer.complete(question.ask());
              } catch (SQLException | RuntimeException e) {
                answer.completeExceptionally(e);
              }
            },
            "status-" + name);
    thread.setDaemon(true);
    thread.start();
    asked.put(name, answer);
  }

  private static StatusLine line(String name, CompletableFuture<Found> answer, long end) {
    String problem;
    try {
      Found found = answer.get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS);
      return new StatusLine(name, found.healthy(), found.text(), found.values());
    } catch (TimeoutException e) {
      problem =
          "no answer within %d s: the server hangs, or cannot be reached"
              .formatted(DEADLINE.toSeconds());
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof SQLException || e.getCause() instanceof OperationsException)) {
        throw new IllegalStateException("The line " + name + " could not be made.", e.getCause());
      }
      problem = withCause(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new OperationsException("interrupted while waiting for " + name, e);
    }
    return new StatusLine(name, false, problem, Map.of());
  }

  /** The driver says only that the attempt failed; its cause says why. */
  private static String withCause(Throwable e) {
    return e.getCause() == null || e instanceof OperationsException
        ? e.getMessage()
        : e.getMessage() + " " + e.getCause().getMessage();
  }

  private static boolean usesKafka(JobConfig config) {
    return config.source().type() == SourceType.KAFKA
        || config.outbox().enabled()
        || config.kafka().findingsTopic() != null;
  }

  private static Found postgres(PostgresLogin postgres) throws SQLException {
    StringBuilder slots = new StringBuilder();
    Map<String, Object> values = new LinkedHashMap<>();
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet slot =
            statement.executeQuery(
                """
                SELECT slot_name, active, wal_status,
                       pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS bytes,
                       pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)) AS lag
                FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database()
                ORDER BY slot_name""")) {
      while (slot.next()) {
        String name = slot.getString("slot_name");
        values.put("slot." + name + ".lag_bytes", slot.getLong("bytes"));
        values.put("slot." + name + ".active", slot.getBoolean("active"));
        values.put("slot." + name + ".wal_status", String.valueOf(slot.getString("wal_status")));
        slots.append(
            "  slot %s: %s behind, %s, WAL %s"
                .formatted(
                    name,
                    slot.getString("lag"),
                    slot.getBoolean("active") ? "read" : "not read",
                    slot.getString("wal_status")));
      }
    }
    return new Found(
        true,
        postgres + (slots.isEmpty() ? "  no logical replication slot" : slots.toString()),
        values);
  }

  /** The tasks of {@code etl_schedule}, which sql/postgres/005_retention.sql makes. */
  private static Found schedule(PostgresLogin postgres) throws SQLException {
    List<String> tasks = new ArrayList<>();
    Map<String, Object> values = new LinkedHashMap<>();
    boolean healthy = true;
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      try (ResultSet known =
          statement.executeQuery(
              "SELECT to_regclass('etl_schedule') IS NOT NULL AND has_table_privilege(to_regclass('etl_schedule'), 'SELECT')")) {
        if (!known.next() || !known.getBoolean(1)) {
          return Found.healthy("no schedule in PostgreSQL, or it may not be read");
        }
      }
      try (ResultSet row =
          statement.executeQuery(
              "SELECT task, outcome, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS started,"
                  + " to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS next, detail FROM etl_schedule ORDER BY task")) {
        while (row.next()) {
          String task = row.getString("task");
          boolean failed = row.getString("outcome").equals("FAILED");
          healthy &= !failed;
          values.put(task + ".outcome", row.getString("outcome"));
          values.put(task + ".next_at", row.getString("next"));
          tasks.add(
              "%s %s%s%s, next %s"
                  .formatted(
                      task,
                      row.getString("outcome"),
                      row.getString("started") == null ? "" : " " + row.getString("started"),
                      failed ? " (" + row.getString("detail") + ")" : "",
                      row.getString("next")));
        }
      }
    }
    return new Found(
        healthy, tasks.isEmpty() ? "no task has been scheduled" : String.join("; ", tasks), values);
  }

  private static Found clickHouse(ClickHouseLogin clickHouse) {
    return Found.healthy(
        clickHouse
            + "  version "
            + clickHouse.list("SELECT version()", row -> row.getString(1)).get(0));
  }

  private Found green(BlueGreenMemory memory, BlueGreenMemory.State state) {
    BlueGreenStatus status = BlueGreenStatus.of(state, memory.isLocked(), deployment);
    return new Found(status.healthy(), status.text(), Map.of("step", state.step().name()));
  }

  private Found taskManagers() {
    int taskManagers = flink.taskManagers();
    if (taskManagers == 0) {
      throw new OperationsException(
          flink.url()
              + " has no TaskManager: start one. The job then continues from its last checkpoint (on one machine: ./etl down, ./etl up, ./etl submit)");
    }
    return new Found(
        true,
        flink.url() + "  " + taskManagers + " TaskManagers",
        Map.of("task_managers", taskManagers));
  }

  private static Found kafka(JobConfig config) {
    String servers = config.kafka().bootstrapServers();
    if (!listens(servers)) {
      throw new OperationsException(servers + " does not answer");
    }
    boolean isWatched =
        config.source().type() == SourceType.POSTGRES || config.source().watchesTopics();
    return Found.healthy(isWatched ? servers : servers + "; " + KafkaChanges.NOT_WATCHED);
  }

  /** Whether one of these servers takes connections. */
  public static boolean listens(String servers) {
    for (String server : servers.split(",", -1)) {
      int colon = server.lastIndexOf(':');
      try (Socket socket = new Socket()) {
        socket.connect(
            new InetSocketAddress(
                server.substring(0, colon), Integer.parseInt(server.substring(colon + 1))),
            CONNECT_TIMEOUT_MILLIS);
        return true;
      } catch (IOException | NumberFormatException e) {
        // The next one may.
      }
    }
    return false;
  }

  private Found job() {
    Optional<FlinkEndpoint.Job> latest = flink.currentJob(ExperimentEtlJob.NAME);
    if (latest.isEmpty()) {
      return new Found(false, "none; use submit", Map.of("state", "NONE"));
    }
    FlinkEndpoint.Job job = latest.get();
    Optional<String> trouble = trouble(flink, job);
    Checkpoints checkpoints = checkpoints(job.id());
    long restarts = flink.restarts(job.id());
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("id", job.id());
    values.put("state", job.state());
    values.put("restarts", restarts);
    values.putAll(checkpoints.values());
    String cause =
        restarts > 0 && trouble.isEmpty()
            ? flink.lastFailure(job.id()).map(StatusLook::cause).orElse("")
            : "";
    // Behind Debezium's topics no such step runs: the job cannot know what Debezium resends.
    long resending =
        deployment.databases().config().source().type() == SourceType.KAFKA
            ? 0
            : flink
                .metric(job.id(), PostgresChanges.CONTINUITY, MetricScope.NAME + ".resending_rows")
                .orElse(0);
    values.put("resending_rows", resending);
    return new Found(
        trouble.isEmpty() && checkpoints.current(),
        "%s (%s) %s, %d restarts%s%s, %s"
            .formatted(
                job.name(),
                job.id(),
                trouble.orElse("RUNNING"),
                restarts,
                cause,
                resending == 0
                    ? ""
                    : ", PostgreSQL sends a transaction again: %,d rows so far"
                        .formatted(resending),
                checkpoints.text()),
        values);
  }

  private static String cause(FlinkEndpoint.Failure failure) {
    return " (the last after %s: %s)"
        .formatted(
            failure.occurredAt().truncatedTo(ChronoUnit.SECONDS), failure.cause().firstLine());
  }

  /** The state of a job that does not work, since when, and why; empty: it works. */
  public static Optional<String> trouble(FlinkEndpoint flink, FlinkEndpoint.Job job) {
    FlinkEndpoint.Tasks tasks = flink.tasks(job.id());
    boolean running = job.state().equals("RUNNING");
    if (running && tasks.allRun()) {
      return Optional.empty();
    }
    return Optional.of(
        "%s since %s%s%s"
            .formatted(
                job.state(),
                flink.inStateSince(job.id()).truncatedTo(ChronoUnit.SECONDS),
                running
                    ? ", but %d of its %d tasks run".formatted(tasks.running(), tasks.all())
                    : "",
                flink
                    .lastFailure(job.id())
                    .map(
                        failure ->
                            " (failed at %s: %s)"
                                .formatted(
                                    failure.occurredAt().truncatedTo(ChronoUnit.SECONDS),
                                    failure.cause().firstLine()))
                    .orElse("")));
  }

  /**
   * The job's checkpoints.
   *
   * @param current whether the last one completed within the configured freshness
   */
  private record Checkpoints(boolean current, String text, Map<String, Object> values) {}

  private Checkpoints checkpoints(String job) {
    FlinkEndpoint.Checkpoints found = flink.checkpoints(job);
    Optional<FlinkEndpoint.Checkpoint> last = found.last();
    Optional<FlinkEndpoint.FailedCheckpoints> failed = found.failed();
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("failed_checkpoints", failed.map(FlinkEndpoint.FailedCheckpoints::count).orElse(0L));
    String text = "no checkpoint yet";
    boolean current = false;
    if (last.isPresent()) {
      long age =
          Duration.between(Instant.ofEpochMilli(last.get().triggeredAtMillis()), Instant.now())
              .toSeconds();
      values.put("checkpoint_id", last.get().id());
      values.put("checkpoint_age_seconds", age);
      values.put("checkpoint_millis", last.get().endToEndMillis());
      current = age <= freshness().toSeconds();
      text =
          "checkpoint %d %d s ago, took %d ms, %,d bytes%s"
              .formatted(
                  last.get().id(),
                  age,
                  last.get().endToEndMillis(),
                  last.get().sizeBytes(),
                  current ? "" : ", longer ago than " + limit());
    }
    return new Checkpoints(
        current,
        text
            + failed
                .map(
                    failures ->
                        ", %d failed checkpoints (the last at %s: %s)"
                            .formatted(
                                failures.count(),
                                failures.lastAt().truncatedTo(ChronoUnit.SECONDS),
                                failures.lastCause().firstLine()))
                .orElse(""),
        values);
  }

  private Duration freshness() {
    return deployment.databases().config().findings().health().freshness();
  }

  private String limit() {
    return "findings.health.freshness (%d s)".formatted(freshness().toSeconds());
  }

  private Found progress(Databases databases) {
    return databases
        .clickHouse()
        .list(
            "SELECT snapshot_done, lsn, toString(committed_at) AS committed, toInt64(lag_seconds) AS lag FROM etl_progress",
            this::progressLine)
        .stream()
        .findFirst()
        .orElse(new Found(false, "nothing is visible yet", Map.of()));
  }

  private Found progressLine(ResultSet row) throws SQLException {
    Map<String, Object> values = new LinkedHashMap<>();
    boolean loaded = row.getBoolean("snapshot_done");
    values.put("snapshot_done", loaded);
    String load = loaded ? "" : "the initial load is not finished, statistics are incomplete; ";
    long lsn = row.getLong("lsn");
    if (row.wasNull()) {
      return new Found(
          false, load + "no transaction after the initial load is visible yet", values);
    }
    long lag = row.getLong("lag");
    values.put("lsn", Lsn.print(lsn));
    values.put("lag_seconds", lag);
    boolean current = lag <= freshness().toSeconds();
    return new Found(
        loaded && current,
        "%sall is visible up to %s UTC (LSN %s), a commit of %d s ago%s"
            .formatted(
                load,
                row.getString("committed"),
                Lsn.print(lsn),
                lag,
                current ? "" : ", longer ago than " + limit()),
        values);
  }
}
