package io.experimentetl.operations;

import static java.util.stream.Collectors.joining;

import io.experimentetl.archive.ArchivedTable;
import io.experimentetl.config.JobConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;

/** A database beside that of the job, with the same tables, which are exchanged in the end. */
final class SiblingDatabase {
  /** Of the job's tables the only one without rows of the sinks, which is not exchanged. */
  private static final String AUDITS = "etl_audits";

  private final ClickHouseLogin job;
  private final ClickHouseLogin sibling;

  SiblingDatabase(ClickHouseLogin job, String name) {
    this.job = job;
    this.sibling = job.withDatabase(name);
  }

  ClickHouseLogin login() {
    return sibling;
  }

  /** The sinks' tables of the job's database, with those of the owners and the metrics. */
  Set<String> jobTables() {
    return tables(job.database());
  }

  /** The sinks' tables have batch ids. */
  private Set<String> tables(String database) {
    return new TreeSet<>(
        job.list(
            ("SELECT name FROM system.tables WHERE database = '%1$s' AND engine LIKE '%%MergeTree' AND (name IN ('etl_owners', 'metrics') OR name IN"
                    + " (SELECT table FROM system.columns WHERE database = '%1$s' AND name = '_batch_id'))")
                .formatted(database),
            row -> row.getString(1)));
  }

  /**
   * An exchange of tables reaches one server only: it would leave a replica that replicates no
   * more.
   *
   * @param verb the verb that needs one
   * @param instead what can be done
   * @throws OperationsException if the database has replicated tables
   */
  static void requireOneServer(ClickHouseLogin database, String verb, String instead) {
    long replicated =
        database.count(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%'");
    if (replicated > 0) {
      throw new OperationsException(
          "%s has %d replicated tables, and %s exchanges the tables of one server only: %s"
              .formatted(database, replicated, verb, instead));
    }
  }

  /**
   * Only the job's own tables are made in another database.
   *
   * @throws OperationsException the configuration replicates tables
   */
  static void requireNoReplicated(JobConfig config, String verb) {
    if (!config.replicate().isEmpty()) {
      throw new OperationsException(
          "%s does not support replicated tables in this version: use redeploy, or empty the tables in ClickHouse, make the slot anew and use submit"
              .formatted(verb));
    }
  }

  /**
   * Makes it anew, with empty tables.
   *
   * @param archived whether the archive removes old rows, and no TTL
   * @throws OperationsException if it has tables that are not the job's
   */
  void create(boolean archived) {
    drop();
    job.execute("CREATE DATABASE `%s`".formatted(sibling.database()));
    SqlFiles.bundled().applyTo(sibling, false);
    takeRetention(archived);
  }

  /**
   * Gives each table the TTL that the job's table has, or none where that has none. The TTLs of the
   * SQL files would remove rows that a longer one keeps.
   *
   * @param archived whether the archive removes old rows, and no TTL
   */
  void takeRetention(boolean archived) {
    Map<String, String> wanted = TableTtl.of(job);
    if (archived) {
      for (ArchivedTable table : ArchivedTable.values()) {
        wanted.remove(table.warehouseTable());
        sibling.execute(table.guard());
      }
    }
    Map<String, String> present = TableTtl.of(sibling);
    for (String table : tables(sibling.database())) {
      String ttl = wanted.get(table);
      if (ttl != null && !ttl.equals(present.get(table))) {
        sibling.execute(
            "ALTER TABLE `%s` MODIFY TTL %s SETTINGS materialize_ttl_after_modify = 0"
                .formatted(table, ttl));
      } else if (ttl == null && present.containsKey(table)) {
        sibling.execute("ALTER TABLE `%s` REMOVE TTL".formatted(table));
      }
    }
  }

  /**
   * Removes it, if it exists.
   *
   * @throws OperationsException if it has tables that are not the job's
   */
  void drop() {
    requireOwn();
    job.execute("DROP DATABASE IF EXISTS `%s` SYNC".formatted(sibling.database()));
  }

  /**
   * Checks that it does not exist, or has only tables that a verb has made.
   *
   * @throws OperationsException if it has tables that are not the job's
   */
  void requireOwn() {
    Set<String> known = tables(sibling.database());
    known.add(AUDITS);
    long others =
        job.count(
            "SELECT count() FROM system.tables WHERE database = '%s' AND engine NOT LIKE '%%View' AND name NOT IN (%s)"
                .formatted(sibling.database(), literals(known)));
    if (others > 0) {
      throw new OperationsException(
          "database %s, which is needed, has tables that are not the job's: rename or drop it"
              .formatted(sibling.database()));
    }
  }

  private static String literals(Set<String> names) {
    return names.isEmpty()
        ? "''"
        : names.stream().map(name -> "'" + name + "'").collect(joining(", "));
  }

  /** Its tables of these names, each with its UUID, which it keeps in an exchange. */
  Map<String, String> uuids(Set<String> names) {
    Map<String, String> uuids = new TreeMap<>();
    job.list(
            "SELECT name, toString(uuid) FROM system.tables WHERE database = '%s' AND name IN (%s)"
                .formatted(sibling.database(), literals(names)),
            row -> List.of(row.getString(1), row.getString(2)))
        .forEach(table -> uuids.put(table.get(0), table.get(1)));
    return uuids;
  }

  /**
   * Exchanges the tables that are not exchanged yet. Each exchange is atomic; views and grants go
   * by names, so they see the new tables.
   *
   * @param uuids the tables of this database before the first exchange
   * @param verb what to run again if it fails
   * @param log takes a line for each table
   */
  void exchange(Map<String, String> uuids, String verb, Consumer<String> log) {
    Set<String> left = notExchanged(uuids);
    try {
      for (String table : List.copyOf(left)) {
        job.execute(
            "EXCHANGE TABLES `%1$s`.`%3$s` AND `%2$s`.`%3$s`"
                .formatted(job.database(), sibling.database(), table));
        left.remove(table);
        log.accept("exchanged " + table);
      }
    } catch (OperationsException e) {
      throw new OperationsException(
          "the tables %s could not be exchanged; the others of %s are the new ones. Fix what the message names, and run %s again%n%s"
              .formatted(left, job.database(), verb, e.getMessage()),
          e);
    }
    // An exchange that a killed process has begun may have ended behind the look at the tables.
    Set<String> exchangedBack = notExchanged(uuids);
    if (!exchangedBack.isEmpty()) {
      throw new OperationsException(
          "the tables %s were exchanged by another process meanwhile: run %s again"
              .formatted(exchangedBack, verb));
    }
  }

  private Set<String> notExchanged(Map<String, String> uuids) {
    Set<String> left = new TreeSet<>(uuids.keySet());
    job.list(
            "SELECT name FROM system.tables WHERE database = '%s' AND toString(uuid) IN (%s)"
                .formatted(job.database(), literals(new TreeSet<>(uuids.values()))),
            row -> row.getString(1))
        .forEach(left::remove);
    return left;
  }

  boolean exists() {
    return job.count(
            "SELECT count() FROM system.databases WHERE name = '%s'".formatted(sibling.database()))
        > 0;
  }

  /** Gives it, with what the job's database had before the exchange, another name. */
  void rename(String name) {
    job.execute("RENAME DATABASE `%s` TO `%s`".formatted(sibling.database(), name));
  }
}
