package io.experimentetl.operations;

import io.experimentetl.JobArguments;
import io.experimentetl.JobArguments.Check;
import io.experimentetl.archive.ArchivedTable;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;

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
    this.fresh = old.withDatabase(JobArguments.resyncDatabase(old.database()));
  }

  /**
   * Runs it; returns the id of the job that continues with the exchanged tables.
   *
   * @throws OperationsException with the obstacle, and the state of the tables
   */
  String run() {
    job.requireJar();
    UnfinishedResync unfinished = new UnfinishedResync(deployment);
    unfinished.abandon();
    job.requireNoActiveJob();
    job.requireEffectiveConfiguration();
    job.requireSlots(parallelism);
    Set<String> tables = tables(old.database());
    if (tables.isEmpty()) {
      throw new OperationsException(
          "there are no tables in " + old + " yet, so there is nothing to repair; use submit");
    }
    requireOneServer(old);
    job.requireServers(Check.FRESH, parallelism);
    ColdStorage archive = new ColdStorage(deployment.databases(), Clock.systemUTC());
    archive.recall(null, log);
    unfinished.begin();
    new FreshStart(deployment).replaceSlot(log);
    createDatabase();

    String id = job.submit(Optional.empty(), parallelism, List.of(JobArguments.RESYNC));
    log.accept(
        "job %s reads everything into database %s; %s stays unchanged until then"
            .formatted(id, fresh.database(), old.database()));
    Visibility.awaitAll(deployment.databases().postgres(), fresh, deployment.flink(), id, PATIENCE);
    String savepoint = job.stop();
    log.accept("everything is read; stopped at " + savepoint);

    Repairs repairs = Repairs.between(old, fresh);
    repairs.keepFindings();
    String before = exchange(tables);
    unfinished.end();
    String next = job.submit(Optional.of(savepoint), parallelism, List.of());
    archive.forgetUnknown(old, log);
    repairs.print(log);
    Path list = deployment.memory().directory().resolve(before + ".tsv");
    log.accept("the rows are listed in " + repairs.write(list));
    log.accept(
        "the job continues as %s; the old tables are in database %s: run verify, then DROP DATABASE %s"
            .formatted(next, before, before));
    return next;
  }

  /**
   * An exchange of tables reaches one server only: it would leave a replica that replicates no
   * more.
   *
   * @throws OperationsException if the database has replicated tables
   */
  static void requireOneServer(ClickHouseLogin database) {
    long replicated =
        database.count(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%'");
    if (replicated > 0) {
      throw new OperationsException(
          "%s has %d replicated tables, and resync exchanges the tables of one server only: use resync --table, or follow docs/deployment.md, ClickHouse cluster"
              .formatted(database, replicated));
    }
  }

  private void createDatabase() {
    Set<String> leftOver = tables(fresh.database());
    long others =
        old.count(
            "SELECT count() FROM system.tables WHERE database = '%s' AND engine NOT LIKE '%%View' AND name NOT IN (%s)"
                .formatted(fresh.database(), literals(leftOver)));
    if (others > 0) {
      throw new OperationsException(
          "database %s, which a resync needs, has tables that are not the job's: rename or drop it"
              .formatted(fresh.database()));
    }
    old.execute("DROP DATABASE IF EXISTS `%s` SYNC".formatted(fresh.database()));
    old.execute("CREATE DATABASE `%s`".formatted(fresh.database()));
    boolean withRetention =
        old.count(
                "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'experiment_daily_stats'"
                    + " AND create_table_query LIKE '% TTL %'")
            > 0;
    SqlFiles.bundled().applyTo(fresh, withRetention);
    if (withRetention && deployment.config().archive().isOn()) {
      for (ArchivedTable table : ArchivedTable.values()) {
        fresh.execute("ALTER TABLE %s REMOVE TTL".formatted(table.warehouseTable()));
      }
    }
  }

  /** The sinks' tables, which have batch ids, and the table of their owners. */
  private Set<String> tables(String database) {
    return new TreeSet<>(
        old.list(
            ("SELECT name FROM system.tables WHERE database = '%1$s' AND engine LIKE '%%MergeTree' AND (name IN ('etl_owners', 'metrics') OR name IN"
                    + " (SELECT table FROM system.columns WHERE database = '%1$s' AND name = '_batch_id'))")
                .formatted(database),
            row -> row.getString(1)));
  }

  private static String literals(Set<String> names) {
    return names.isEmpty()
        ? "''"
        : names.stream().map(name -> "'" + name + "'").collect(Collectors.joining(", "));
  }

  /** Each exchange is atomic; views and grants go by names, so they see the new tables. */
  private String exchange(Set<String> tables) {
    String before = old.database() + "_before_" + TIME.format(Instant.now());
    Set<String> left = new TreeSet<>(tables);
    try {
      for (String table : tables) {
        old.execute(
            "EXCHANGE TABLES `%1$s`.`%3$s` AND `%2$s`.`%3$s`"
                .formatted(old.database(), fresh.database(), table));
        left.remove(table);
      }
    } catch (OperationsException e) {
      throw new OperationsException(
          "the tables %s could not be exchanged; the others of %s are the new ones. Fix what the message names, and run resync again%n%s"
              .formatted(left, old.database(), e.getMessage()),
          e);
    }
    old.execute("RENAME DATABASE `%s` TO `%s`".formatted(fresh.database(), before));
    return before;
  }
}
