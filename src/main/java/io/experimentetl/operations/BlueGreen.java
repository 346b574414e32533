package io.experimentetl.operations;

import static io.experimentetl.operations.BlueGreenMemory.Step.BLUE_STOPPED;
import static io.experimentetl.operations.BlueGreenMemory.Step.EXCHANGED;
import static io.experimentetl.operations.BlueGreenMemory.Step.GREEN_STOPPED;
import static io.experimentetl.operations.BlueGreenMemory.Step.RUNNING;
import static io.experimentetl.operations.BlueGreenMemory.Step.SLOT_DROPPED;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.JobArguments;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.operations.BlueGreenMemory.State;
import io.experimentetl.operations.DeploymentMemory.Savepoint;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A second job (green) from a savepoint of the running one (blue), which goes on. The green job has
 * a slot that was copied before the savepoint, so that it has all changes behind it, and a database
 * with all rows up to it. It takes the blue job's place by its name, slot and database, so that
 * nothing else has to change.
 */
final class BlueGreen {
  /** How long nothing new may become visible. */
  private static final Duration PATIENCE = Duration.ofMinutes(15);

  private static final Duration CANCELLATION = Duration.ofMinutes(3);
  private static final Duration POLL = Duration.ofMillis(500);
  private static final Duration SHOWN = Duration.ofSeconds(30);
  private static final int COMPARISONS = 6;
  private static final int LONGEST_SLOT = 63;

  private final Deployment deployment;
  private final Successor successor;
  private final Consumer<String> log;
  private final JobDeployment job;
  private final BlueGreenMemory memory;
  private final FlinkEndpoint flink;
  private final ClickHouseLogin blue;
  private final SiblingDatabase sibling;
  private final ClickHouseLogin green;
  private final ReplicationSlots slots;
  private final String slot;
  private final String greenSlot;

  /** The blue/green deployment of one job. */
  BlueGreen(Deployment deployment, Successor successor, Consumer<String> log) {
    JobConfig config = deployment.config();
    this.deployment = deployment;
    this.successor = successor;
    this.log = log;
    this.job = new JobDeployment(deployment, log);
    this.memory = new BlueGreenMemory(deployment.memory());
    this.flink = deployment.flink();
    this.blue = deployment.databases().clickHouse();
    this.sibling = new SiblingDatabase(blue, JobArguments.greenDatabase(blue.database()));
    this.green = sibling.login();
    this.slots = new ReplicationSlots(deployment.databases().postgres());
    this.slot = config.source().slot();
    this.greenSlot = JobArguments.greenSlot(slot);
  }

  /**
   * Starts the green job, and returns when it has caught up.
   *
   * @throws OperationsException with the obstacle; the blue job goes on
   */
  void start() {
    Optional<State> begun = memory.state();
    if (begun.isPresent() && !begun.get().isBefore(BLUE_STOPPED)) {
      throw new OperationsException(
          "an exchange has begun and not ended: run bluegreen exchange again");
    }
    String id;
    if (begun.isPresent() && begun.get().step() == RUNNING) {
      id = requireGreenJob(begun.get());
    } else {
      requirePossible(begun.isPresent());
      memory.write(State.BEGUN);
      id = startGreen();
      memory.write(State.BEGUN.running(id));
    }
    log.accept("the green job %s runs and writes into %s".formatted(id, green.database()));
    awaitVisible(green, id);
    log.accept("it has caught up: run bluegreen compare");
  }

  private void requirePossible(boolean isRepeated) {
    job.requireJar();
    if (deployment.config().source().type() != SourceType.POSTGRES) {
      throw new OperationsException(
          "bluegreen copies the replication slot, and needs source.type: postgres");
    }
    if (greenSlot.length() > LONGEST_SLOT) {
      throw new OperationsException(
          "bluegreen needs a slot %s, whose name is longer than PostgreSQL's %d characters"
              .formatted(greenSlot, LONGEST_SLOT));
    }
    if (job.isInApplicationMode()) {
      throw new OperationsException(
          "bluegreen runs two jobs on one cluster, and a cluster in application mode has one: use redeploy");
    }
    JobDeployment.runningJob(flink);
    if (isRepeated) {
      removeGreen(State.BEGUN);
    }
    job.requireSinceOfNewMetrics();
    job.requireSuccessor(successor.parallelism, successor.ending);
    SiblingDatabase.requireOneServer(blue, "bluegreen", "use redeploy");
    if (WarehouseProgress.of(blue).filter(WarehouseProgress::snapshotDone).isEmpty()) {
      throw new OperationsException(
          "the job still reads its initial snapshot: wait until status says that all is visible");
    }
    int needed = job.effective(successor.parallelism);
    if (deployment.ownServers().contains(Deployment.Server.FLINK) && flink.freeSlots() < needed) {
      throw new OperationsException(
          "the green job needs %d free slots, and the cluster has %d: start more TaskManagers (./etl down, ./etl up --task-managers N), or give less by --parallelism"
              .formatted(needed, flink.freeSlots()));
    }
  }

  /** The savepoint of the blue job, as the checkpoint that it is. */
  private record Origin(String path, long checkpoint) {}

  private String startGreen() {
    String id = JobDeployment.runningJob(flink).id();
    long restarts = flink.restarts(id);
    sibling.create(deployment.config().archive().isOn());
    slots.copy(slot, greenSlot);
    log.accept("copied the replication slot %s to %s".formatted(slot, greenSlot));
    GreenCopy copy = copy();
    Origin origin;
    try {
      long before =
          WarehouseProgress.of(blue)
              .map(WarehouseProgress::lsn)
              .orElseThrow(() -> new OperationsException(blue + " has no progress"));
      copy.prepare(flink.lastCheckpoint(id).map(FlinkEndpoint.Checkpoint::id).orElse(0L));
      origin = savepoint(id);
      log.accept("savepoint %s; the job goes on".formatted(origin.path()));
      awaitVisible(blue, id);
      copy.keepMoment();
      copy.copy(origin.checkpoint(), before, log);
    } finally {
      copy.end();
    }
    requireNoRestart(id, restarts);
    String started =
        flink.submitWithLess(
            deployment.files().jar(),
            job.withConfig(List.of(JobArguments.GREEN)),
            origin.path(),
            job.effective(successor.parallelism));
    deployment.memory().addGreenJob(started);
    try {
      flink.awaitAllTasksRunning(started, JobDeployment.RUNNING_DEADLINE);
    } catch (OperationsException e) {
      cancel(started);
      throw new OperationsException(
          "the green job does not run, and was cancelled: %s%nThe running job was not touched. Fix what the message names, and run bluegreen start again, or bluegreen abort."
              .formatted(e.getMessage()),
          e);
    }
    return started;
  }

  private GreenCopy copy() {
    return new GreenCopy(blue, green, sibling.jobTables());
  }

  private Origin savepoint(String id) {
    String folder = JobDeployment.savepointDirectory(deployment).replaceFirst("/+$", "");
    String path = flink.savepoint(id, folder + "/bluegreen", JobDeployment.SAVEPOINT_DEADLINE);
    deployment.memory().addSavepoint("bluegreen", path);
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

  private void awaitVisible(ClickHouseLogin database, String id) {
    Visibility.awaitAll(deployment.databases().postgres(), database, flink, id, PATIENCE);
  }

  /** The green job, which must run. */
  private String requireGreenJob(State state) {
    String now = flink.state(state.greenJob());
    if (!new FlinkEndpoint.Job(state.greenJob(), "", now).isActive()) {
      throw new OperationsException(
          "the green job %s is %s. %s%nRun bluegreen abort"
              .formatted(state.greenJob(), now, flink.rootException(state.greenJob())));
    }
    return state.greenJob();
  }

  private State begun() {
    return memory
        .state()
        .filter(state -> !state.isBefore(RUNNING))
        .orElseThrow(() -> new OperationsException("no green job runs: run bluegreen start"));
  }

  /**
   * Compares both databases while both jobs write. A row differs if it differs in the same way
   * after both jobs have passed a later commit: no change of it is under way.
   *
   * @return whether no row differs
   */
  boolean compare() {
    State state = begun();
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
    same.print(log);
    if (last.size() > same.size()) {
      log.accept(
          "%,d rows change too often to be compared; compare again"
              .formatted(last.size() - same.size()));
    }
    boolean equal = same.size() == 0;
    memory.write(state.compared(equal));
    log.accept(
        equal
            ? "equal: run bluegreen exchange"
            : "the rows are listed in %s. If the green job is right, run bluegreen exchange --accept-differences; otherwise bluegreen abort"
                .formatted(same.write(deployment.memory().file("bluegreen-differences.tsv"))));
    return equal;
  }

  private Repairs observe(State state) {
    awaitVisible(blue, JobDeployment.runningJob(flink).id());
    awaitVisible(green, requireGreenJob(state));
    return Repairs.between(blue, green, Repairs.Wording.COMPARED);
  }

  /**
   * Lets the green job take the place of the blue one.
   *
   * @throws OperationsException with the remedy; it can be run again
   */
  void exchange(boolean acceptDifferences) {
    State state = begun();
    if (!state.equal() && !acceptDifferences && state.isBefore(BLUE_STOPPED)) {
      throw new OperationsException(
          "no comparison has found both databases equal: run bluegreen compare, or exchange with --accept-differences");
    }
    if (state.isBefore(BLUE_STOPPED)) {
      requireGreenJob(state);
      job.requireJar();
      job.requireEffectiveConfiguration();
      state = memory.write(state.stopped(BLUE_STOPPED, stopBlue()));
    }
    if (state.isBefore(GREEN_STOPPED)) {
      state = memory.write(state.stopped(GREEN_STOPPED, stopGreen(state)));
    }
    if (state.isBefore(EXCHANGED)) {
      if (state.tables() == null) {
        copy().copyForeignFindings();
        state = memory.write(state.exchanging(sibling.uuids(sibling.jobTables())));
      }
      sibling.exchange(state.tables(), "bluegreen exchange");
      if (sibling.exists()) {
        String before = Resync.beforeName(blue);
        sibling.rename(before);
        log.accept(
            "the tables are exchanged; those of the blue job are in database %s: DROP DATABASE %s after verify"
                .formatted(before, before));
      }
      deployment.memory().rememberSavepoint(state.savepoint());
      state = memory.write(state.at(EXCHANGED));
    }
    takeOverSlot(state);
    Optional<FlinkEndpoint.Job> started = flink.activeJob(ExperimentEtlJob.NAME);
    String id =
        started.isPresent()
            ? started.get().id()
            : job.submit(Optional.of(state.savepoint()), successor.parallelism, List.of());
    if (deployment.config().outbox().enabled()) {
      relayOpenRows();
    }
    memory.end();
    log.accept("the green job continues as %s".formatted(id));
  }

  private String stopBlue() {
    if (flink.activeJob(ExperimentEtlJob.NAME).isEmpty()) {
      log.accept("the blue job does not run any more");
      return deployment.memory().lastSavepoint().orElse(null);
    }
    String savepoint = job.stop();
    log.accept("the blue job has stopped at " + savepoint);
    return savepoint;
  }

  /** Everything that the blue job has made visible is visible in the green database, too. */
  private String stopGreen(State state) {
    String id = state.greenJob();
    if (flink.state(id).equals("FINISHED")) {
      return flink
          .lastSavepoint(id)
          .map(FlinkEndpoint.Checkpoint::path)
          .orElseThrow(() -> new OperationsException("the green job " + id + " has no savepoint"));
    }
    awaitVisible(green, requireGreenJob(state));
    String savepoint =
        flink.stopWithSavepoint(
            id, JobDeployment.savepointDirectory(deployment), JobDeployment.SAVEPOINT_DEADLINE);
    log.accept("the green job has stopped at " + savepoint);
    return savepoint;
  }

  private void takeOverSlot(State exchanged) {
    State state = exchanged;
    if (state.isBefore(SLOT_DROPPED)) {
      boolean failover = slots.hasFailover(slot);
      slots.drop(slot);
      state = memory.write(state.dropped(failover));
    }
    if (slots.exists(greenSlot)) {
      slots.copy(greenSlot, slot);
      if (state.failover()) {
        slots.enableFailover(slot);
      }
      slots.drop(greenSlot);
    }
  }

  /**
   * The relay of the outbox begins anew, behind the savepoint. Its rows that nobody has
   * acknowledged are touched: the update relays them, unless their insert has.
   */
  private void relayOpenRows() {
    PostgresLogin postgres = deployment.databases().postgres();
    try (Connection connection = postgres.connect();
        Statement statement = connection.createStatement()) {
      int rows =
          statement.executeUpdate(
              "UPDATE outbox_events SET processed_at = NULL WHERE processed_at IS NULL");
      log.accept("%,d rows of the outbox were not acknowledged, and are relayed".formatted(rows));
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s refused: %s. The job runs; as a user with UPDATE on outbox_events run UPDATE outbox_events SET processed_at = NULL WHERE processed_at IS NULL"
              .formatted(postgres, e.getMessage()),
          e);
    }
  }

  /**
   * Ends the green job and removes what was made for it.
   *
   * @throws OperationsException when it has taken over already
   */
  void abort() {
    State state =
        memory.state().orElseThrow(() -> new OperationsException("there is nothing to abort"));
    if (!state.isBefore(GREEN_STOPPED)) {
      throw new OperationsException(
          "the green job takes over already: run bluegreen exchange again");
    }
    removeGreen(state);
    memory.end();
    log.accept(
        state.isBefore(BLUE_STOPPED)
            ? "the green job and its database are gone; the blue job goes on"
            : "the green job and its database are gone, and the blue job is stopped: start it by submit --from %s, with its jar"
                .formatted(state.savepoint()));
  }

  private void removeGreen(State state) {
    Optional.ofNullable(state.greenJob())
        .or(() -> flink.activeJob(ExperimentEtlJob.GREEN_NAME).map(FlinkEndpoint.Job::id))
        .ifPresent(this::cancel);
    slots.drop(greenSlot);
    copy().end();
    sibling.drop();
  }

  private void cancel(String id) {
    String now = flink.state(id);
    if (new FlinkEndpoint.Job(id, "", now).isActive()) {
      flink.cancel(id);
      flink.awaitState(id, "CANCELED", CANCELLATION);
    }
  }
}
