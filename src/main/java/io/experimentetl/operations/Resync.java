package io.experimentetl.operations;

import io.experimentetl.JobArguments;
import io.experimentetl.JobArguments.Check;
import io.experimentetl.model.RowVersion;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Reads everything again into a database beside the old one, and exchanges their tables. If it
 * fails before the exchange, the old tables are as they were, and it can be run again.
 */
final class Resync {
  /** How long nothing new may become visible. */
  private static final Duration PATIENCE = Duration.ofMinutes(15);

  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd_HHmmss").withZone(ZoneOffset.UTC);

  private final Deployment deployment;
  private final JobDeployment job;
  private final int parallelism;
  private final Consumer<String> log;
  private final ClickHouseLogin old;
  private final SiblingDatabase sibling;
  private final ClickHouseLogin fresh;

  /**
   * A resync of one deployment.
   *
   * @param parallelism 0: the cluster's default
   */
  Resync(Deployment deployment, int parallelism, Consumer<String> log) {
    this.deployment = deployment;
    this.job = new JobDeployment(deployment, log);
    this.parallelism = parallelism;
    this.log = log;
    this.old = deployment.databases().clickHouse();
    this.sibling = new SiblingDatabase(old, JobArguments.resyncDatabase(old.database()));
    this.fresh = sibling.login();
  }

  /**
   * Runs it; returns the id of the job that continues with the exchanged tables.
   *
   * @throws OperationsException with the obstacle, and the state of the tables
   */
  String run() {
    job.requireJar();
    SiblingDatabase.requireNoReplicated(deployment.config(), "resync");
    new BlueGreenMemory(deployment.memory()).requireNone();
    UnfinishedResync unfinished = new UnfinishedResync(deployment);
    unfinished.abandon();
    job.requireNoActiveJob();
    job.requireEffectiveConfiguration();
    job.requireSlots(parallelism);
    Set<String> tables = sibling.jobTables();
    if (tables.isEmpty()) {
      throw new OperationsException(
          "there are no tables in " + old + " yet, so there is nothing to repair; use submit");
    }
    SiblingDatabase.requireOneServer(
        old, "resync", "use resync --table, or follow docs/deployment.md, ClickHouse cluster");
    job.requireServers(Check.FRESH, parallelism);
    ColdStorage archive = new ColdStorage(deployment.databases(), Clock.systemUTC());
    String savepoint;
    Repairs repairs;
    try (ColdStorage.Hold hold = archive.recall(null, log)) {
      unfinished.begin();
      new FreshStart(deployment).replaceSlot(log);
      sibling.create(archive.isOn());
      savepoint = readAgain();
      repairs = Repairs.between(old, fresh, Repairs.Wording.REPAIRED);
    }
    repairs.keepFindings();
    if (archive.isOn()) {
      eraseAbsentUsers();
    }
    sibling.exchange(sibling.uuids(tables), "resync", log);
    String before = beforeName(old);
    sibling.rename(before);
    unfinished.end();
    String next = job.submit(Optional.of(savepoint), parallelism, List.of());
    if (archive.isOn()) {
      forget(archive);
    }
    repairs.print(log);
    Path list = deployment.memory().directory().resolve(before + ".tsv");
    log.accept("the rows are listed in " + repairs.write(list));
    log.accept(
        "the job continues as %s; the old tables are in database %s: run verify, then DROP DATABASE %s"
            .formatted(next, before, before));
    return next;
  }

  private String readAgain() {
    String id = job.submit(Optional.empty(), parallelism, List.of(JobArguments.RESYNC));
    log.accept(
        "job %s reads everything into database %s; %s stays unchanged until then"
            .formatted(id, fresh.database(), old.database()));
    Visibility.awaitAll(deployment.databases().postgres(), fresh, deployment.flink(), id, PATIENCE);
    String savepoint = job.stop();
    log.accept("everything is read; stopped at " + savepoint);
    return savepoint;
  }

  /**
   * Writes tombstones of the users whom the old database has and the source has not: they were
   * erased while no stream was read, and the archive learns it from ClickHouse. Users whom neither
   * has keep their archived rows, which may be the only ones.
   */
  private void eraseAbsentUsers() {
    if (fresh.count("SELECT count() FROM users FINAL") == 0) {
      log.accept("the source has no users, so nobody is taken out of the archive");
      return;
    }
    fresh.execute(
        """
        INSERT INTO users (user_id, _committed_at, _version, _deleted, _delete_reason)
        SETTINGS async_insert = 0, insert_deduplicate = 0
        SELECT user_id, assumeNotNull((SELECT committed_at FROM etl_progress)), %d * (SELECT sequence_number FROM etl_progress), true, 'erasure'
        FROM `%s`.users
        WHERE user_id NOT IN (SELECT user_id FROM users FINAL)
        GROUP BY user_id
        HAVING NOT argMax(_deleted, _version) OR argMax(_delete_reason, _version) = 'erasure'
        """
            .formatted(RowVersion.ofSequenceNumber(1), old.database()));
  }

  private void forget(ColdStorage archive) {
    try {
      archive.forget().forEach(manifest -> log.accept("rewritten  " + ColdStorage.print(manifest)));
    } catch (OperationsException e) {
      log.accept(
          "the archive may still have users who were erased; forget, or the daily maintenance, takes them out: "
              + e.getMessage());
    }
  }

  /** A name for the database with the tables that were exchanged now. */
  static String beforeName(ClickHouseLogin database) {
    return database.database() + "_before_" + TIME.format(Instant.now());
  }
}
