package io.experimentetl.local;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.model.Lsn;
import io.experimentetl.operations.ClickHouseEndpoint;
import io.experimentetl.operations.FlinkEndpoint;
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

@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description =
        "Shows the servers, the job, its last checkpoint, the replication slot's lag and the warehouse's progress.")
final class StatusCommand implements Callable<Integer> {
  @Mixin Etl.Place place;

  private boolean healthy = true;

  @Override
  public Integer call() {
    PlatformAddresses platform = place.running();
    line("PostgreSQL", () -> platform.postgres() + "  " + slots(platform.postgres()));
    line(
        "ClickHouse",
        () ->
            platform.clickHouse().url()
                + "  version "
                + platform.clickHouse().query("SELECT version()"));
    line(
        "Flink",
        () -> {
          int taskManagers = platform.flink().taskManagers();
          if (taskManagers == 0) {
            throw new PlatformException(
                platform.flink().url()
                    + " has no TaskManager: nothing here restarts it; ./etl down, ./etl up and ./etl submit go on from the last checkpoint");
          }
          return platform.flink().url() + "  " + taskManagers + " TaskManagers";
        });
    platform.kafka().ifPresent(servers -> line("Kafka", () -> kafka(servers)));
    line("job", () -> job(platform.flink()));
    line("progress", () -> progress(platform.clickHouse()));
    return healthy ? 0 : 1;
  }

  @FunctionalInterface
  private interface Answer {
    String get() throws SQLException;
  }

  private void line(String name, Answer answer) {
    String text;
    try {
      text = answer.get();
    } catch (SQLException | PlatformException e) {
      healthy = false;
      text = "NOT WELL: " + e.getMessage();
    }
    System.out.printf("%-11s %s%n", name, text);
  }

  private static String slots(PostgresEndpoint postgres) throws SQLException {
    StringBuilder text = new StringBuilder();
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
        text.append(
            "slot %s: %s behind, %s, WAL %s  "
                .formatted(
                    slot.getString("slot_name"),
                    slot.getString("lag"),
                    slot.getBoolean("active") ? "read" : "not read",
                    slot.getString("wal_status")));
      }
    }
    return text.isEmpty() ? "no logical replication slot" : text.toString().strip();
  }

  private static String kafka(String servers) {
    if (!PlatformAddresses.isListening(servers)) {
      throw new PlatformException(servers + " does not answer");
    }
    return servers;
  }

  private String job(FlinkEndpoint flink) {
    Optional<FlinkEndpoint.Job> latest =
        flink.activeJob(ExperimentEtlJob.NAME).or(() -> flink.jobs().stream().findFirst());
    if (latest.isEmpty()) {
      return "none; ./etl submit";
    }
    FlinkEndpoint.Job job = latest.get();
    healthy &= !job.isActive() ? !job.state().equals("FAILED") : trouble(flink, job).isEmpty();
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
            job.name(),
            job.id(),
            trouble(flink, job).orElse("RUNNING"),
            flink.restarts(job.id()),
            checkpoint);
  }

  /** Of a job that does not work: its state, since when, and why. */
  static Optional<String> trouble(FlinkEndpoint flink, FlinkEndpoint.Job job) {
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

  private static String progress(ClickHouseEndpoint clickHouse) {
    String progress =
        clickHouse.query("SELECT snapshot_done, lsn, committed_at, lag_seconds FROM etl_progress");
    if (progress.isEmpty()) {
      return "nothing is visible yet";
    }
    String[] columns = progress.split("\t", -1);
    String load =
        Boolean.parseBoolean(columns[0])
            ? ""
            : "the initial load is not finished, statistics are incomplete; ";
    if (columns[1].equals("\\N")) {
      return load + "no transaction behind the initial load is visible yet";
    }
    return "%sall is visible up to %s UTC (LSN %s), a commit of %s s ago"
        .formatted(load, columns[2], Lsn.print(Long.parseLong(columns[1])), columns[3]);
  }
}
