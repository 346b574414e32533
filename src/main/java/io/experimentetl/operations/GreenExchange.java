package io.experimentetl.operations;

import static io.experimentetl.operations.BlueGreenMemory.Step.BLUE_STOPPED;
import static io.experimentetl.operations.BlueGreenMemory.Step.EXCHANGED;
import static io.experimentetl.operations.BlueGreenMemory.Step.GREEN_STOPPED;

import io.experimentetl.JobArguments.Check;
import io.experimentetl.operations.BlueGreenMemory.State;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Lets the green job take the place of the blue one. Each step is done once, or can be done again:
 * a run that ended anywhere is continued by the next one.
 *
 * <p>The job keeps the blue job's slot. It stands before the green job's last savepoint, and what
 * it sends again is dropped.
 */
final class GreenExchange {
  private static final Duration POLL = Duration.ofMillis(500);

  /** How long a stop that another process has begun may take to end. */
  private static final Duration ENDING = Duration.ofSeconds(30);

  private final BlueGreenParts parts;

  GreenExchange(BlueGreenParts parts) {
    this.parts = parts;
  }

  /**
   * Runs all steps that are not done.
   *
   * @throws OperationsException with the remedy; it can be run again
   */
  void run(boolean acceptDifferences) {
    State state = parts.begun();
    if (state.isBefore(BLUE_STOPPED)) {
      requireReady(state, acceptDifferences);
      state = parts.memory().write(state.blueStopped(stopBlue()));
    }
    if (state.isBefore(GREEN_STOPPED)) {
      state = parts.memory().write(state.greenStopped(stopGreen(state)));
    }
    if (state.isBefore(EXCHANGED)) {
      state = exchangeTables(state);
    }
    keepOneSlot();
    String id = submit(state);
    if (parts.deployment().config().outbox().enabled()) {
      relayOpenRows();
    }
    parts.memory().end();
    parts.log().accept("the green job continues as %s".formatted(id));
    new FirstCheckpoint(parts.flink(), parts.log()).await(id);
  }

  private void requireReady(State state, boolean acceptDifferences) {
    if (!state.equal() && !acceptDifferences) {
      throw new OperationsException(
          "no comparison has found both databases equal: run bluegreen compare, or exchange with --accept-differences");
    }
    parts.requireGreenJob(state);
    parts.job().requireJar();
    parts.job().requireEffectiveConfiguration();
    parts.job().requireSlots(parts.successor().parallelism);
    // The green job has not used Kafka.
    parts.job().requireServers(Check.SUCCESSOR, parts.successor().parallelism);
  }

  private String stopBlue() {
    Optional<FlinkEndpoint.Job> running = parts.blueJob();
    if (running.isPresent()) {
      try {
        String savepoint = parts.job().stop();
        parts.log().accept("the blue job has stopped at " + savepoint);
        return savepoint;
      } catch (OperationsException e) {
        if (!endsByItself(running.get().id())) {
          throw e;
        }
      }
    }
    parts.log().accept("the blue job does not run any more");
    Optional<String> latest = parts.deployment().memory().latestState(parts.flink());
    latest.ifPresent(parts.deployment().memory()::rememberSavepoint);
    return latest.orElse(null);
  }

  /** Everything that the blue job has made visible is visible in the green database, too. */
  private String stopGreen(State state) {
    FlinkEndpoint flink = parts.flink();
    if (!isFinished(state.greenJob())) {
      String id = parts.requireGreenJob(state);
      parts.awaitVisible(parts.green(), id);
      try {
        String savepoint =
            flink.stopWithSavepoint(
                id,
                JobDeployment.savepointDirectory(parts.deployment()),
                JobDeployment.SAVEPOINT_DEADLINE);
        parts.log().accept("the green job has stopped at " + savepoint);
        return savepoint;
      } catch (OperationsException e) {
        if (!endsByItself(id)) {
          throw e;
        }
      }
    }
    return flink
        .lastSavepoint(state.greenJob())
        .map(FlinkEndpoint.Checkpoint::path)
        .orElseThrow(
            () ->
                new OperationsException(
                    "the green job %s has ended without a savepoint. Run bluegreen abort"
                        .formatted(state.greenJob())));
  }

  private boolean isFinished(String id) {
    return parts.flink().jobs().stream()
        .anyMatch(job -> job.id().equals(id) && job.state().equals("FINISHED"));
  }

  /** A process that was killed may have begun to stop the job, which then stops only once. */
  private boolean endsByItself(String id) {
    return Polling.until(ENDING, POLL, () -> Optional.of(id).filter(this::isFinished)).isPresent();
  }

  private State exchangeTables(State stopped) {
    State state = stopped;
    SiblingDatabase sibling = parts.sibling();
    if (!state.hasExchanged()) {
      parts.copy().copyForeignFindings(parts.deployment().config().outbox().enabled());
      sibling.takeRetention(parts.isArchived());
      state = parts.memory().write(state.exchanging(sibling.uuids(sibling.jobTables())));
    }
    sibling.exchange(state.tables(), "bluegreen exchange", parts.log());
    if (sibling.exists()) {
      String before = Resync.beforeName(parts.blue());
      sibling.rename(before);
      parts
          .log()
          .accept(
              "the tables are exchanged; those of the blue job are in database %s: DROP DATABASE %s after verify"
                  .formatted(before, before));
    }
    parts.deployment().memory().rememberSavepoint(state.greenSavepoint());
    return parts.memory().write(state.at(EXCHANGED));
  }

  private void keepOneSlot() {
    ReplicationSlots slots = parts.slots();
    if (!slots.isUsable(parts.slot()) && slots.exists(parts.greenSlot())) {
      boolean failover = slots.hasFailover(parts.slot());
      slots.copy(parts.greenSlot(), parts.slot());
      if (failover) {
        slots.enableFailover(parts.slot());
      }
    }
    slots.drop(parts.greenSlot());
  }

  /**
   * A job that an earlier run has submitted may have gone on from the savepoint, and have ended.
   */
  private String submit(State state) {
    Optional<FlinkEndpoint.Job> started = parts.blueJob();
    if (started.isPresent()) {
      parts.flink().awaitAllTasksRunning(started.get().id(), JobDeployment.RUNNING_DEADLINE);
      return started.get().id();
    }
    Optional<String> latest = parts.deployment().memory().latestState(parts.flink());
    String id =
        parts
            .job()
            .submit(
                latest.or(() -> Optional.of(state.greenSavepoint())),
                parts.successor().parallelism,
                List.of());
    parts.log().accept("submitted the job %s on the exchanged tables".formatted(id));
    return id;
  }

  /**
   * The relay of the outbox begins anew, behind the savepoint. Its rows that nobody has
   * acknowledged are touched: the update relays them, unless their insert has.
   */
  private void relayOpenRows() {
    PostgresLogin postgres = parts.deployment().databases().postgres();
    String table =
        "\"%s\".outbox_events"
            .formatted(parts.deployment().config().source().schema().replace("\"", "\"\""));
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      int rows =
          statement.executeUpdate(
              "UPDATE " + table + " SET processed_at = NULL WHERE processed_at IS NULL");
      parts
          .log()
          .accept("%,d rows of the outbox were not acknowledged, and are relayed".formatted(rows));
    } catch (SQLException e) {
      throw new OperationsException(
          "the job runs, but the outbox's open rows are not relayed: PostgreSQL %s refused: %s. GRANT SELECT, UPDATE (processed_at) ON %s, and run bluegreen exchange again"
              .formatted(postgres, e.getMessage(), table),
          e);
    }
  }
}
