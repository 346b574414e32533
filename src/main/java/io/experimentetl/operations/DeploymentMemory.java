package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What operations remember about a deployment, in files of one directory: the configuration of the
 * running job, the last savepoint, and since when older state is void.
 */
public final class DeploymentMemory {
  private static final String RUNNING_CONFIGURATION = "job-running.yaml";
  private static final String LAST_SAVEPOINT = "last-savepoint";
  private static final String SAVEPOINTS = "savepoints";
  private static final String STARTED_FRESH = "started-fresh";
  private static final String GREEN_JOBS = "green-jobs";

  private final Path directory;
  private final Optional<Path> clusterState;

  /**
   * The memory in a directory, which need not exist yet.
   *
   * @param clusterState a folder on this machine that holds only this job's savepoints and
   *     checkpoints; empty: there is none
   */
  public DeploymentMemory(Path directory, Optional<Path> clusterState) {
    this.directory = directory;
    this.clusterState = clusterState;
  }

  private record State(String path, long takenAtMillis) {}

  /** The directory; made when it does not exist. */
  public Path directory() {
    try {
      return Files.createDirectories(directory);
    } catch (IOException e) {
      throw new OperationsException(
          "the directory %s cannot be made (%s): name another one by --state-directory"
              .formatted(directory, e),
          e);
    }
  }

  Path resyncMark() {
    return file("resync-unfinished");
  }

  /** A file of the directory, which need not exist. */
  Path file(String name) {
    return directory.resolve(name);
  }

  /** Remembers a job whose checkpoints are no state of this deployment. */
  void addGreenJob(String id) {
    List<String> all = new ArrayList<>(greenJobs());
    all.add(id);
    write(GREEN_JOBS, String.join("\n", all));
  }

  private List<String> greenJobs() {
    return lines(GREEN_JOBS);
  }

  /** The configuration with which the last job was started: the job's file may be edited later. */
  Optional<Path> runningConfiguration() {
    return Optional.of(directory.resolve(RUNNING_CONFIGURATION)).filter(Files::exists);
  }

  void keepRunningConfiguration(Path config) {
    Path kept = directory().resolve(RUNNING_CONFIGURATION);
    try {
      Files.copy(config, kept, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new OperationsException(
          "the job runs, but its configuration cannot be kept in " + kept + ": " + e, e);
    }
  }

  /**
   * A savepoint that the verbs took.
   *
   * @param name given by whoever took it, or that of the verb
   */
  record Savepoint(String name, Instant takenAt, String path) {
    /** The name of its folder, which is unique: a path may be written in several ways. */
    String folder() {
      return folderOf(path);
    }

    static String folderOf(String path) {
      return path.replaceFirst("/+$", "").replaceFirst("^.*/", "");
    }

    private String line() {
      return takenAt + " " + name + " " + path;
    }

    private static Savepoint parse(String line) {
      String[] parts = line.split(" ", 3);
      return new Savepoint(parts[1], Instant.parse(parts[0]), parts[2]);
    }
  }

  /** Remembers the savepoint with which a job was stopped: the next one starts from it. */
  void rememberSavepoint(String path) {
    write(LAST_SAVEPOINT, path);
    addSavepoint("stop", path);
  }

  /** Remembers a savepoint in the list. */
  void addSavepoint(String name, String path) {
    List<Savepoint> all = new ArrayList<>(savepoints());
    all.add(new Savepoint(name, Instant.now().truncatedTo(ChronoUnit.SECONDS), path));
    writeSavepoints(all);
  }

  /** The savepoints that the verbs took and did not remove, the oldest first. */
  List<Savepoint> savepoints() {
    return lines(SAVEPOINTS).stream().map(Savepoint::parse).toList();
  }

  private List<String> lines(String name) {
    Path file = directory.resolve(name);
    try {
      return Files.exists(file)
          ? Files.readAllLines(file).stream().filter(line -> !line.isBlank()).toList()
          : List.of();
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be read: " + e, e);
    }
  }

  void removeSavepoint(String path) {
    writeSavepoints(
        savepoints().stream().filter(savepoint -> !savepoint.path().equals(path)).toList());
  }

  private void writeSavepoints(List<Savepoint> all) {
    write(SAVEPOINTS, all.stream().map(Savepoint::line).collect(Collectors.joining("\n")));
  }

  /** The savepoint that the next start may need; empty: none was taken since a fresh start. */
  Optional<String> lastSavepoint() {
    Path savepoint = directory.resolve(LAST_SAVEPOINT);
    try {
      return Files.exists(savepoint)
          ? Optional.of(Files.readString(savepoint).strip())
          : Optional.empty();
    } catch (IOException e) {
      throw new OperationsException(savepoint + " cannot be read: " + e, e);
    }
  }

  /** Makes all older state void: the warehouse is filled again from the beginning. */
  void startFresh() {
    write(STARTED_FRESH, Instant.now().toString());
    Path savepoint = directory.resolve(LAST_SAVEPOINT);
    try {
      Files.deleteIfExists(savepoint);
    } catch (IOException e) {
      throw new OperationsException(savepoint + " cannot be removed: " + e + "; remove it", e);
    }
  }

  private void write(String name, String text) {
    Path file = directory().resolve(name);
    try {
      Files.writeString(file, text + "\n");
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be written: " + e, e);
    }
  }

  /**
   * The path of the newest savepoint or retained checkpoint since the last fresh start, as far as
   * the cluster, the folder of its state or this memory know it.
   */
  public Optional<String> latestState(FlinkEndpoint flink) {
    long fresh = directory.resolve(STARTED_FRESH).toFile().lastModified();
    List<State> states = new ArrayList<>();
    try {
      Path savepoint = directory.resolve(LAST_SAVEPOINT);
      if (Files.exists(savepoint)) {
        states.add(
            new State(Files.readString(savepoint).strip(), savepoint.toFile().lastModified()));
      }
      if (clusterState.isPresent()) {
        List<String> green = greenJobs();
        for (Path metadata : StoredState.metadata(clusterState.get())) {
          if (green.stream().anyMatch(job -> metadata.toString().contains(job))) {
            continue;
          }
          states.add(
              new State(metadata.getParent().toUri().toString(), metadata.toFile().lastModified()));
        }
      }
    } catch (IOException e) {
      throw new OperationsException("the job's state cannot be listed: " + e, e);
    }
    if (flink.answers()) {
      states.addAll(ofLatestJob(flink));
    }
    return states.stream()
        .filter(state -> state.takenAtMillis() >= fresh)
        .max(Comparator.comparingLong(State::takenAtMillis))
        .map(State::path);
  }

  private static List<State> ofLatestJob(FlinkEndpoint flink) {
    List<State> states = new ArrayList<>();
    flink
        .latestJob(ExperimentEtlJob.NAME)
        .ifPresent(
            job -> {
              flink.lastSavepoint(job.id()).map(DeploymentMemory::state).ifPresent(states::add);
              flink.lastCheckpoint(job.id()).map(DeploymentMemory::state).ifPresent(states::add);
            });
    return states;
  }

  private static State state(FlinkEndpoint.Checkpoint checkpoint) {
    return new State(
        checkpoint.path(), checkpoint.triggeredAtMillis() + checkpoint.endToEndMillis());
  }

  /** Deletes the state that was taken since a time, where this machine has its folder. */
  void deleteStateSince(long millis) {
    if (clusterState.isEmpty()) {
      return;
    }
    try {
      for (Path metadata : StoredState.metadata(clusterState.get())) {
        if (metadata.toFile().lastModified() >= millis) {
          Files.delete(metadata);
        }
      }
    } catch (IOException e) {
      throw new OperationsException(
          "the state of the unfinished resync in "
              + clusterState.get()
              + " cannot be removed: "
              + e,
          e);
    }
  }
}
