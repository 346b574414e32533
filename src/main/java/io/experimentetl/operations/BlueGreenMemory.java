package io.experimentetl.operations;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;

/** How far a blue/green deployment is: a file in the state directory while there is one. */
final class BlueGreenMemory {
  private static final String FILE = "bluegreen.json";
  private static final String LOCK = "bluegreen.lock";

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
    EXCHANGED
  }

  /**
   * The state of one deployment.
   *
   * @param greenJob the id that it is submitted with; null: it is not yet submitted
   * @param equal whether the last comparison found no difference
   * @param blueSavepoint with which the blue job was stopped; null: it was not
   * @param greenSavepoint the same of the green job
   * @param tables the green database's tables with their UUIDs; null: before the exchange
   */
  record State(
      Step step,
      String greenJob,
      boolean equal,
      String blueSavepoint,
      String greenSavepoint,
      Map<String, String> tables) {
    static final State BEGUN = new State(Step.BEGUN, null, false, null, null, null);

    State submitting(String job) {
      return new State(Step.BEGUN, job, false, null, null, null);
    }

    State running() {
      return at(Step.RUNNING);
    }

    State compared(boolean foundEqual) {
      return new State(step, greenJob, foundEqual, blueSavepoint, greenSavepoint, tables);
    }

    State blueStopped(String at) {
      return new State(Step.BLUE_STOPPED, greenJob, equal, at, null, null);
    }

    State greenStopped(String at) {
      return new State(Step.GREEN_STOPPED, greenJob, equal, blueSavepoint, at, null);
    }

    State exchanging(Map<String, String> uuids) {
      return new State(step, greenJob, equal, blueSavepoint, greenSavepoint, uuids);
    }

    State at(Step next) {
      return new State(next, greenJob, equal, blueSavepoint, greenSavepoint, tables);
    }

    /** Whether a table may be exchanged: the blue job cannot continue in its database. */
    boolean hasExchanged() {
      return tables != null;
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

  /**
   * Lets no other process work on the deployment until it is closed, or this process ends.
   *
   * @throws OperationsException if another one does
   */
  Lock lock() {
    Path path = memory.directory().resolve(LOCK);
    try {
      FileChannel channel =
          FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (tryLock(channel)) {
        return new Lock(channel);
      }
      channel.close();
    } catch (IOException e) {
      throw new OperationsException(path + " cannot be locked: " + e, e);
    }
    throw new OperationsException(
        "another process runs bluegreen on this deployment: wait until it ends, or end it");
  }

  /** Whether a process works on the deployment now. */
  boolean isLocked() {
    Path path = file.resolveSibling(LOCK);
    if (!Files.exists(path)) {
      return false;
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
      return !tryLock(channel);
    } catch (IOException e) {
      throw new OperationsException(path + " cannot be locked: " + e, e);
    }
  }

  private static boolean tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }

  /** The operating system lets go of it when the process ends. */
  record Lock(FileChannel channel) implements AutoCloseable {
    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw new OperationsException("the lock of bluegreen cannot be released: " + e, e);
      }
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
          "bluegreen start has begun, and a green job may run beside the present one: end it by bluegreen exchange or bluegreen abort");
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
