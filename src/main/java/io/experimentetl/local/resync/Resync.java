package io.experimentetl.local.resync;

import io.experimentetl.local.FreshStart;
import io.experimentetl.local.JobDeployment;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.UnfinishedResync;
import io.experimentetl.local.demo.RunningJob;
import io.experimentetl.operations.ClickHouseEndpoint;
import io.experimentetl.operations.SqlFiles;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Reads everything again into a database beside the old one, and exchanges their tables. Whatever
 * fails before the exchange, the old tables stand as they were, and it can be run again.
 */
final class Resync {
  private static final String SUFFIX = "_resync";
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd_HHmmss").withZone(ZoneOffset.UTC);

  private final PlatformAddresses platform;
  private final Path home;
  private final Path directory;
  private final Path jar;
  private final int parallelism;
  private final PrintWriter out;
  private final ClickHouseEndpoint old;
  private final ClickHouseEndpoint fresh;

  /**
   * A resync of a running platform.
   *
   * @param parallelism 0: the cluster's default
   */
  Resync(
      PlatformAddresses platform,
      Path home,
      Path directory,
      Path jar,
      int parallelism,
      PrintWriter out) {
    this.platform = platform;
    this.home = home;
    this.directory = directory;
    this.jar = jar;
    this.parallelism = parallelism;
    this.out = out;
    this.old = platform.clickHouse();
    this.fresh = old.withDatabase(old.database() + SUFFIX);
  }

  /**
   * Does it; returns the job, which goes on with the exchanged tables.
   *
   * @throws PlatformException saying what is in the way, and how the tables stand
   */
  RunningJob run() {
    UnfinishedResync unfinished = new UnfinishedResync(directory);
    unfinished.abandon(platform.flink());
    JobDeployment deployment = new JobDeployment(platform, jar);
    deployment.requireNoActiveJob();
    deployment.requireEffectiveConfiguration();
    deployment.requireSlots(parallelism);
    Set<String> tables = tables(old.database());
    if (tables.isEmpty()) {
      throw new PlatformException(
          "there are no tables in " + old + " yet: nothing to bring back; use ./etl submit");
    }
    PlatformAddresses beside =
        platform.withClickHouseDatabase(fresh.database(), unfinished.jobConfig());
    new FreshStart(platform, home, directory).mendSlot(this::report);
    createDatabase();

    RunningJob job =
        RunningJob.submit(
            beside, jar, Optional.empty(), parallelism, List.of("--retained-from", old.database()));
    report(
        "job %s reads everything into database %s; %s stays as it is meanwhile"
            .formatted(job.id(), fresh.database(), old.database()));
    job.awaitVisible();
    String savepoint = job.stop();
    report("all is read; stopped at " + savepoint);

    Repairs repairs = Repairs.between(old, fresh);
    repairs.keepFindings();
    String before = exchange(tables);
    unfinished.finished();
    RunningJob goesOn =
        RunningJob.submit(platform, jar, Optional.of(savepoint), parallelism, List.of());
    repairs.print(out);
    report("the rows are listed in " + repairs.write(directory.resolve(before + ".tsv")));
    report(
        "the job goes on; the old tables stand in database %s: ./etl verify, then DROP DATABASE %s"
            .formatted(before, before));
    return goesOn;
  }

  private void createDatabase() {
    Set<String> leftOver = tables(fresh.database());
    long others =
        old.count(
            "SELECT count() FROM system.tables WHERE database = '%s' AND engine NOT LIKE '%%View' AND name NOT IN (%s)"
                .formatted(fresh.database(), literals(leftOver)));
    if (others > 0) {
      throw new PlatformException(
          "database %s, which a resync needs, holds tables of somebody else: rename or drop it"
              .formatted(fresh.database()));
    }
    old.query("DROP DATABASE IF EXISTS `%s` SYNC".formatted(fresh.database()));
    old.query("CREATE DATABASE `%s`".formatted(fresh.database()));
    boolean withRetention =
        old.query(
                "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = 'events_processed'")
            .contains(" TTL ");
    new SqlFiles(home.resolve("sql")).applyTo(fresh, withRetention);
  }

  /** Those that the sinks write, told by their batch ids, and the list of their owners. */
  private Set<String> tables(String database) {
    return new TreeSet<>(
        old.query(
                ("SELECT name FROM system.tables WHERE database = '%1$s' AND engine LIKE '%%MergeTree' AND (name = 'etl_owners' OR name IN"
                        + " (SELECT table FROM system.columns WHERE database = '%1$s' AND name = '_batch_id'))")
                    .formatted(database))
            .lines()
            .toList());
  }

  private static String literals(Set<String> names) {
    return names.isEmpty()
        ? "''"
        : names.stream().map(name -> "'" + name + "'").collect(Collectors.joining(", "));
  }

  /** Each exchange is atomic; views and grants go by the names, and see the new tables. */
  private String exchange(Set<String> tables) {
    String before = old.database() + "_before_" + TIME.format(Instant.now());
    Set<String> left = new TreeSet<>(tables);
    try {
      for (String table : tables) {
        old.query(
            "EXCHANGE TABLES `%1$s`.`%3$s` AND `%2$s`.`%3$s`"
                .formatted(old.database(), fresh.database(), table));
        left.remove(table);
      }
    } catch (PlatformException e) {
      throw new PlatformException(
          "the tables %s could not be exchanged; the others of %s are the new ones. Mend what the message says, and run ./etl resync again%n%s"
              .formatted(left, old.database(), e.getMessage()),
          e);
    }
    old.query("RENAME DATABASE `%s` TO `%s`".formatted(fresh.database(), before));
    return before;
  }

  private void report(String line) {
    out.println(line);
    out.flush();
  }
}
