package io.experimentetl.operations;

import static io.experimentetl.operations.BlueGreenMemory.Step.BLUE_STOPPED;
import static io.experimentetl.operations.BlueGreenMemory.Step.RUNNING;

import io.experimentetl.JobArguments;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.SourceType;
import io.experimentetl.operations.BlueGreenMemory.State;
import io.experimentetl.operations.DeploymentMemory.Savepoint;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * A second job (green) from a savepoint of the running one (blue), which goes on. The green job has
 * a slot that was copied before the savepoint, so that it has all changes behind it, and a database
 * with all rows up to it. {@link GreenExchange} lets it take the blue job's place by its name, slot
 * and database, so that nothing else has to change.
 */
final class BlueGreen {
  private static final Duration POLL = Duration.ofMillis(500);
  private static final Duration SHOWN = Duration.ofSeconds(30);
  private static final int COMPARISONS = 6;
  private static final int LONGEST_SLOT = 63;

  private final BlueGreenParts parts;
  private final FlinkEndpoint flink;

  BlueGreen(BlueGreenParts parts) {
    this.parts = parts;
    this.flink = parts.flink();
  }

  /**
   * Starts the green job, and returns when it has caught up.
   *
   * @throws OperationsException with the obstacle, and with what is left of the green job; the blue
   *     job goes on
   */
  void start() {
    parts.memory().requireNoExchange();
    Optional<State> begun = parts.memory().state();
    String id;
    if (begun.isPresent() && begun.get().step() == RUNNING) {
      id = parts.requireGreenJob(begun.get());
    } else {
      id = startAnew(begun);
    }
    parts
        .log()
        .accept("the green job %s runs and writes into %s".formatted(id, parts.green().database()));
    parts.awaitVisible(parts.green(), id);
    parts.log().accept("it has caught up: run bluegreen compare");
  }

  private String startAnew(Optional<State> begun) {
    requirePossible();
    begun.ifPresent(this::requireRemoved);
    requireNothingLeft();
    parts.job().requireSinceOfNewMetrics();
    parts.job().requireSuccessor(parts.successor().parallelism, parts.successor().ending);
    requireFreeSlots();
    parts.memory().write(State.BEGUN);
    try {
      State state = startGreen();
      parts.memory().write(state.running());
      return state.greenJob();
    } catch (OperationsException | InvalidConfigurationException e) {
      requireRemoved(parts.memory().state().orElse(State.BEGUN), e);
      throw new OperationsException(
          e.getMessage()
              + "%nThe running job was not touched, and what was made for the green one is removed."
                  .formatted(),
          e);
    }
  }

  /** Removes what a start has made that was killed. */
  private void requireRemoved(State state) {
    requireRemoved(state, null);
  }

  private void requireRemoved(State state, RuntimeException cause) {
    List<String> left = new GreenRemoval(parts).remove(state);
    if (!left.isEmpty()) {
      throw new OperationsException(
          "%snot all of the green job could be removed; see to what is left, and run bluegreen abort:%n- %s"
              .formatted(
                  cause == null ? "" : cause.getMessage() + System.lineSeparator(),
                  String.join("\n- ", left)),
          cause);
    }
    parts.memory().end();
  }

  private void requirePossible() {
    parts.job().requireJar();
    SiblingDatabase.requireNoReplicated(parts.deployment().config(), "bluegreen");
    if (parts.deployment().config().source().type() != SourceType.POSTGRES) {
      throw new OperationsException(
          "bluegreen copies the replication slot, and needs source.type: postgres");
    }
    if (parts.greenSlot().length() > LONGEST_SLOT) {
      throw new OperationsException(
          "bluegreen needs a slot %s, whose name is longer than PostgreSQL's %d characters"
              .formatted(parts.greenSlot(), LONGEST_SLOT));
    }
    if (parts.job().isInApplicationMode()) {
      throw new OperationsException(
          "bluegreen runs two jobs on one cluster, and a cluster in application mode has one: use redeploy");
    }
    JobDeployment.runningJob(flink);
    SiblingDatabase.requireOneServer(parts.blue(), "bluegreen", "use redeploy");
    if (WarehouseProgress.of(parts.blue()).filter(WarehouseProgress::snapshotDone).isEmpty()) {
      throw new OperationsException(
          "the job still reads its initial snapshot: wait until status says that all is visible");
    }
  }

  /** What is there before a start is not removed when it fails. */
  private void requireNothingLeft() {
    if (parts.slots().exists(parts.greenSlot())) {
      throw new OperationsException(
          "the replication slot %s, which is needed, exists already: run bluegreen abort, or drop it"
              .formatted(parts.greenSlot()));
    }
    parts.sibling().requireOwn();
    parts.copy().requireNoMoment();
  }

  private void requireFreeSlots() {
    int needed = parts.job().effective(parts.successor().parallelism);
    if (parts.deployment().ownServers().contains(Deployment.Server.FLINK)
        && flink.freeSlots() < needed) {
      throw new OperationsException(
          "the green job needs %d free slots, and the cluster has %d: start more TaskManagers (./etl down, ./etl up --task-managers N), or give less by --parallelism"
              .formatted(needed, flink.freeSlots()));
    }
  }

  /** The savepoint of the blue job, as the checkpoint that it is. */
  private record Origin(String path, long checkpoint) {}

  private State startGreen() {
    String blue = JobDeployment.runningJob(flink).id();
    long restarts = flink.restarts(blue);
    parts.sibling().create(parts.isArchived());
    parts.log().accept("made the database " + parts.green().database());
    parts.slots().copy(parts.slot(), parts.greenSlot());
    parts
        .log()
        .accept("copied the replication slot %s to %s".formatted(parts.slot(), parts.greenSlot()));
    Origin origin = copyRows(blue);
    requireNoRestart(blue, restarts);
    // Known before it is submitted: whoever is killed meanwhile leaves no unknown job.
    State state = State.BEGUN.submitting(UUID.randomUUID().toString().replace("-", ""));
    parts.deployment().memory().addGreenJob(state.greenJob());
    parts.memory().write(state);
    flink.submitWithLess(
        parts.deployment().files().jar(),
        state.greenJob(),
        parts.job().withConfig(List.of(JobArguments.GREEN)),
        origin.path(),
        parts.job().effective(parts.successor().parallelism));
    parts.log().accept("submitted the green job " + state.greenJob());
    flink.awaitAllTasksRunning(state.greenJob(), JobDeployment.RUNNING_DEADLINE);
    return state;
  }

  private Origin copyRows(String blue) {
    GreenCopy copy = parts.copy();
    try {
      long before =
          WarehouseProgress.of(parts.blue())
              .map(WarehouseProgress::lsn)
              .orElseThrow(() -> new OperationsException(parts.blue() + " has no progress"));
      copy.prepare(flink.lastCheckpoint(blue).map(FlinkEndpoint.Checkpoint::id).orElse(0L));
      parts.log().accept("merges wait until the savepoint's rows are kept");
      Origin origin = savepoint(blue);
      parts.log().accept("savepoint %s; the job goes on".formatted(origin.path()));
      parts.awaitVisible(parts.blue(), blue);
      copy.keepMoment();
      copy.copy(origin.checkpoint(), before, parts.log());
      return origin;
    } finally {
      copy.end();
    }
  }

  private Origin savepoint(String id) {
    String folder = JobDeployment.savepointDirectory(parts.deployment()).replaceFirst("/+$", "");
    String path = flink.savepoint(id, folder + "/bluegreen", JobDeployment.SAVEPOINT_DEADLINE);
    parts.deployment().memory().addSavepoint("bluegreen", path);
    long checkpoint =
        Polling.until(
                SHOWN,
                POLL,
                () ->
                    flink
                        .lastSavepoint(id)
                        .filter(
                            last ->
                                Savepoint.folderOf(last.path()).equals(Savepoint.folderOf(path))))
            .map(FlinkEndpoint.Checkpoint::id)
            .orElseThrow(
                () ->
                    new OperationsException(
                        "the cluster does not list the savepoint %s: was another one taken meanwhile? Run bluegreen start again"
                            .formatted(path)));
    return new Origin(path, checkpoint);
  }

  /** After a restart the blue job has written rows of the savepoint again, in other batches. */
  private void requireNoRestart(String id, long restarts) {
    Duration stale = flink.refreshInterval();
    long end = System.nanoTime() + stale.toNanos();
    Polling.until(
        stale.plusSeconds(1), POLL, () -> Optional.of(1).filter(now -> System.nanoTime() > end));
    if (flink.restarts(id) != restarts) {
      throw new OperationsException(
          "the job was restarted while its rows were copied: run bluegreen start again");
    }
  }

  /**
   * Compares both databases while both jobs write. A row differs if it differs in the same way
   * after both jobs have passed a later commit: no change of it is under way.
   *
   * @return whether no row differs
   */
  boolean compare() {
    State state = parts.begun();
    if (!state.isBefore(BLUE_STOPPED)) {
      throw new OperationsException(
          "an exchange has begun: run bluegreen exchange again, and verify afterwards");
    }
    Repairs last = observe(state);
    Repairs same = last;
    for (int i = 1; i < COMPARISONS && last.size() > 0; i++) {
      Repairs next = observe(state);
      same = next.sameAsIn(last);
      last = next;
      if (same.size() == next.size()) {
        break;
      }
    }
    same.print(parts.log());
    if (last.size() > same.size()) {
      parts
          .log()
          .accept(
              "%,d rows change too often to be compared; compare again"
                  .formatted(last.size() - same.size()));
    }
    boolean equal = same.size() == 0;
    parts.memory().write(state.compared(equal));
    parts
        .log()
        .accept(
            equal
                ? "equal: run bluegreen exchange"
                : "the rows are listed in %s. If the green job is right, run bluegreen exchange --accept-differences; otherwise bluegreen abort"
                    .formatted(
                        same.write(parts.deployment().memory().file("bluegreen-differences.tsv"))));
    return equal;
  }

  private Repairs observe(State state) {
    parts.awaitVisible(parts.blue(), JobDeployment.runningJob(flink).id());
    parts.awaitVisible(parts.green(), parts.requireGreenJob(state));
    return Repairs.between(parts.blue(), parts.green(), Repairs.Wording.COMPARED);
  }
}
