package io.experimentetl.operations;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Optional;

/** How far a blue/green deployment is: a file in the state directory while there is one. */
final class BlueGreenMemory {
  private static final String FILE = "bluegreen.json";

  /** What has been done, in order. */
  enum Step {
    /** The slot, the database and the savepoint are made. A failure begins anew. */
    BEGUN,
    /** The green job runs. */
    RUNNING,
    /** The blue job is stopped. */
    BLUE_STOPPED,
    /** The green job is stopped too. */
    GREEN_STOPPED,
    /** The tables are exchanged. */
    EXCHANGED,
    /** The blue job's slot is dropped: the slot of its name is the copy of the green job's. */
    SLOT_DROPPED
  }

  /**
   * The state of one deployment.
   *
   * @param greenJob null: it was not submitted yet
   * @param equal whether the last comparison found no difference
   * @param savepoint with which the last job was stopped; null: none was
   * @param tables the green database's tables with their UUIDs; null: before the exchange
   * @param failover whether the blue job's slot is one that a standby can take over
   */
  record State(
      Step step,
      String greenJob,
      boolean equal,
      String savepoint,
      Map<String, String> tables,
      boolean failover) {
    static final State BEGUN = new State(Step.BEGUN, null, false, null, null, false);

    State running(String job) {
      return new State(Step.RUNNING, job, false, null, null, false);
    }

    State compared(boolean foundEqual) {
      return new State(step, greenJob, foundEqual, savepoint, tables, failover);
    }

    State stopped(Step which, String at) {
      return new State(which, greenJob, equal, at, tables, failover);
    }

    State exchanging(Map<String, String> uuids) {
      return new State(step, greenJob, equal, savepoint, uuids, failover);
    }

    State at(Step next) {
      return new State(next, greenJob, equal, savepoint, tables, failover);
    }

    State dropped(boolean standby) {
      return new State(Step.SLOT_DROPPED, greenJob, equal, savepoint, tables, standby);
    }

    boolean isBefore(Step other) {
      return step.compareTo(other) < 0;
    }
  }

  private final DeploymentMemory memory;
  private final Path file;

  BlueGreenMemory(DeploymentMemory memory) {
    this.memory = memory;
    this.file = memory.file(FILE);
  }

  /** Empty: there is no blue/green deployment. */
  Optional<State> state() {
    try {
      return Files.exists(file)
          ? Optional.of(FlinkHttp.JSON.readValue(Files.readString(file), State.class))
          : Optional.empty();
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be read: " + e, e);
    }
  }

  /** Replaces the file at once: half of a file could not be read. */
  State write(State state) {
    try {
      Path draft = memory.directory().resolve(FILE + ".draft");
      Files.writeString(draft, FlinkHttp.JSON.writeValueAsString(state));
      Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
      return state;
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be written: " + e, e);
    }
  }

  void end() {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be removed: " + e + "; remove it", e);
    }
  }

  /**
   * Refuses what would change the blue job or its tables.
   *
   * @throws OperationsException with the remedy
   */
  void requireNone() {
    if (state().isPresent()) {
      throw new OperationsException(
          "a green job runs beside the present one: end it by bluegreen exchange or bluegreen abort");
    }
  }

  /**
   * Refuses a start while the green job takes the blue one's place.
   *
   * @throws OperationsException with the remedy
   */
  void requireNoExchange() {
    if (state().filter(state -> !state.isBefore(Step.BLUE_STOPPED)).isPresent()) {
      throw new OperationsException(
          "an exchange of a blue and a green job has begun and not ended: run bluegreen exchange again");
    }
  }
}
