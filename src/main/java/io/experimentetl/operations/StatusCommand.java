package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.model.Lsn;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code status}. Exit code: 0 healthy, 1 a server or the job is not. */
@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description =
        "Shows the servers, the job, its last checkpoint, the replication slot's lag and the warehouse's progress.",
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:healthy", "1:a server or the job is not; its line says why"})
public final class StatusCommand implements Callable<Integer> {
  private static final int CONNECT_TIMEOUT_MILLIS = 5_000;

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  private boolean healthy = true;

  public StatusCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Deployment deployment = options.deployment();
    Databases databases = deployment.databases();
    FlinkEndpoint flink = deployment.flink();
    line("PostgreSQL", () -> postgres(databases.postgres()));
    line("ClickHouse", () -> clickHouse(databases.clickHouse()));
    line("Flink", () -> taskManagers(flink));
    if (usesKafka(databases.config())) {
      line("Kafka", () -> kafka(databases.config().kafka().bootstrapServers()));
    }
    line("job", () -> job(flink));
    line("progress", () -> progress(databases.clickHouse()));
    return healthy ? 0 : 1;
  }

  private static boolean usesKafka(JobConfig config) {
    return config.source().type() == SourceType.KAFKA
        || config.outbox().enabled()
        || config.kafka().findingsTopic() != null;
  }

  @FunctionalInterface
  private interface Answer {
    String get() throws SQLException;
  }

  private void line(String name, Answer answer) {
    String text;
    try {
      text = answer.get();
    } catch (SQLException | OperationsException e) {
      healthy = false;
      text = "UNHEALTHY: " + e.getMessage();
    }
    PrintWriter out = spec.commandLine().getOut();
    out.printf("%-11s %s%n", name, text);
    out.flush();
  }

  private static String postgres(PostgresLogin postgres) throws SQLException {
    StringBuilder slots = new StringBuilder();
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement();
        ResultSet slot =
            statement.executeQuery(
                """
                SELECT slot_name, active, wal_status,
                       pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)) AS lag
                FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database()
                ORDER BY slot_name""")) {
      while (slot.next()) {
        slots.append(
            "  slot %s: %s behind, %s, WAL %s"
                .formatted(
                    slot.getString("slot_name"),
                    slot.getString("lag"),
                    slot.getBoolean("active") ? "read" : "not read",
                    slot.getString("wal_status")));
      }
    }
    return postgres + (slots.isEmpty() ? "  no logical replication slot" : slots.toString());
  }

  private static String clickHouse(ClickHouseLogin clickHouse) {
    return clickHouse
        + "  version "
        + clickHouse.list("SELECT version()", row -> row.getString(1)).get(0);
  }

  private static String taskManagers(FlinkEndpoint flink) {
    int taskManagers = flink.taskManagers();
    if (taskManagers == 0) {
      throw new OperationsException(
          flink.url()
              + " has no TaskManager: start one. The job then continues from its last checkpoint (on one machine: ./etl down, ./etl up, ./etl submit)");
    }
    return flink.url() + "  " + taskManagers + " TaskManagers";
  }

  private static String kafka(String servers) {
    if (!listens(servers)) {
      throw new OperationsException(servers + " does not answer");
    }
    return servers;
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

  private String job(FlinkEndpoint flink) {
    Optional<FlinkEndpoint.Job> latest =
        flink.activeJob(ExperimentEtlJob.NAME).or(() -> flink.latestJob(ExperimentEtlJob.NAME));
    if (latest.isEmpty()) {
      return "none; use submit";
    }
    FlinkEndpoint.Job job = latest.get();
    Optional<String> trouble = trouble(flink, job);
    healthy &= job.isActive() ? trouble.isEmpty() : !job.state().equals("FAILED");
    String checkpoint =
        flink
            .lastCheckpoint(job.id())
            .map(
                last ->
                    "checkpoint %d %d s ago, took %d ms, %,d bytes"
                        .formatted(
                            last.id(),
                            Duration.between(
                                    Instant.ofEpochMilli(last.triggeredAtMillis()), Instant.now())
                                .toSeconds(),
                            last.endToEndMillis(),
                            last.sizeBytes()))
            .orElse("no checkpoint yet");
    return "%s (%s) %s, %d restarts, %s"
        .formatted(
            job.name(), job.id(), trouble.orElse("RUNNING"), flink.restarts(job.id()), checkpoint);
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

  private static String progress(ClickHouseLogin clickHouse) {
    return clickHouse
        .list(
            "SELECT snapshot_done, lsn, toString(committed_at) AS committed, toString(lag_seconds) AS lag FROM etl_progress",
            StatusCommand::progressLine)
        .stream()
        .findFirst()
        .orElse("nothing is visible yet");
  }

  private static String progressLine(ResultSet row) throws SQLException {
    String load =
        row.getBoolean("snapshot_done")
            ? ""
            : "the initial load is not finished, statistics are incomplete; ";
    long lsn = row.getLong("lsn");
    if (row.wasNull()) {
      return load + "no transaction after the initial load is visible yet";
    }
    return "%sall is visible up to %s UTC (LSN %s), a commit of %s s ago"
        .formatted(load, row.getString("committed"), Lsn.print(lsn), row.getString("lag"));
  }
}
