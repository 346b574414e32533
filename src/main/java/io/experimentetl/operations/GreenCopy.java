package io.experimentetl.operations;

import static java.util.stream.Collectors.joining;

import io.experimentetl.clickhouse.BatchIds;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * Gives a database all rows up to a savepoint of the job that goes on writing into another one.
 *
 * <p>Neither a row's version nor its LSN says whether the savepoint has it: a row that waited for a
 * reference, and a corrected row, are written later. Its batch does: the batch's id has the last
 * checkpoint before it was begun, and a savepoint is a checkpoint.
 *
 * <p>The rows are those of a moment at which all batches of the savepoint are in the tables, and in
 * which no later batch has replaced a row of an earlier one: merges wait until then. That moment is
 * kept in a third database, whose tables share the files of the first one's.
 */
final class GreenCopy {
  private static final String WRITTEN_BEFORE = "batches_before";

  /** The tables that a job fills by itself: it claims its tables, and continues its progress. */
  private static final String OWNERS = "etl_owners";

  private static final String PROGRESS = "etl_sink_progress";
  private static final String METRICS = "metrics";

  private final ClickHouseLogin blue;
  private final ClickHouseLogin green;
  private final String moment;
  private final Set<String> tables;
  private final StoppedMerges merges;

  /**
   * A copy of one database.
   *
   * @param tables of both databases
   */
  GreenCopy(ClickHouseLogin blue, ClickHouseLogin green, Set<String> tables) {
    this.blue = blue;
    this.green = green;
    this.moment = green.database() + "_moment";
    this.tables = new TreeSet<>(tables);
    this.tables.remove(OWNERS);
    this.merges = new StoppedMerges(blue, this.tables);
  }

  /**
   * Checks that there is no database with the name of the moment's.
   *
   * @throws OperationsException with its name
   */
  void requireNoMoment() {
    if (blue.count("SELECT count() FROM system.databases WHERE name = '%s'".formatted(moment))
        > 0) {
      throw new OperationsException(
          "database %s, which is needed, exists already: rename or drop it".formatted(moment));
    }
  }

  /**
   * Notes the batches that an earlier run of the job has written behind the checkpoint, before it
   * was taken back to an older savepoint. Then stops the merges.
   *
   * @param checkpoint the last one before the savepoint
   */
  void prepare(long checkpoint) {
    blue.execute("CREATE DATABASE `%s`".formatted(moment));
    String batches =
        batchTables().stream()
            .map(
                table ->
                    "SELECT toString(_batch_id) AS id FROM `%s`.`%s` WHERE %s >= %d"
                        .formatted(
                            blue.database(), table, BatchIds.checkpointOf("_batch_id"), checkpoint))
            .collect(joining(" UNION ALL "));
    blue.execute(
        "CREATE TABLE `%s`.%s (id String) ENGINE = MergeTree ORDER BY id AS SELECT DISTINCT id FROM (%s)"
            .formatted(moment, WRITTEN_BEFORE, batches));
    merges.stop();
  }

  /** The tables whose rows have the id of a sink's batch. */
  private List<String> batchTables() {
    return tables.stream()
        .filter(table -> !table.equals(PROGRESS) && !table.equals(METRICS))
        .toList();
  }

  /**
   * Keeps the present rows, which must include all batches of the savepoint, and lets the merges go
   * on.
   */
  void keepMoment() {
    for (String table : tables) {
      blue.execute(
          "CREATE TABLE `%1$s`.`%2$s` AS `%3$s`.`%2$s` ENGINE = MergeTree%4$s ORDER BY %5$s"
              .formatted(
                  moment,
                  table,
                  blue.database(),
                  property(table, "if(partition_key = '', '', ' PARTITION BY ' || partition_key)"),
                  // ClickHouse takes (a) for another order than a.
                  property(
                      table,
                      "multiIf(sorting_key = '', 'tuple()', position(sorting_key, ',') = 0, sorting_key, '(' || sorting_key || ')')")));
      for (String partition : partitions(blue.database(), table)) {
        blue.execute(
            "ALTER TABLE `%s`.`%s` ATTACH PARTITION ID %s FROM `%s`.`%2$s`"
                .formatted(moment, table, ClickHouseReader.literal(partition), blue.database()));
      }
    }
    merges.start();
  }

  private String property(String table, String expression) {
    return blue.list(
            "SELECT %s FROM system.tables WHERE database = currentDatabase() AND name = '%s'"
                .formatted(expression, table),
            row -> row.getString(1))
        .get(0);
  }

  private List<String> partitions(String database, String table) {
    return blue.list(
        "SELECT DISTINCT partition_id FROM system.parts WHERE database = '%s' AND table = '%s' AND active ORDER BY 1"
            .formatted(database, table),
        row -> row.getString(1));
  }

  /**
   * Copies the rows of the savepoint, one partition after the other.
   *
   * @param savepoint the checkpoint that the savepoint is
   * @param progress the LSN up to which rows were visible before the savepoint
   */
  void copy(long savepoint, long progress, Consumer<String> log) {
    for (String table : tables) {
      String cut =
          switch (table) {
            case PROGRESS -> "lsn <= " + progress;
            case METRICS -> "true";
            default ->
                "(%s < %d OR toString(_batch_id) IN (SELECT id FROM `%s`.%s))"
                    .formatted(
                        BatchIds.checkpointOf("_batch_id"), savepoint, moment, WRITTEN_BEFORE);
          };
      String columns = columns(table);
      try (ClickHouseSession session = green.connect()) {
        for (String partition : partitions(moment, table)) {
          session.execute(
              "INSERT INTO `%s` (%s) SELECT %2$s FROM `%s`.`%1$s` WHERE _partition_id = %s AND %s"
                      .formatted(table, columns, moment, ClickHouseReader.literal(partition), cut)
                  // All versions of a row are copied: the audit reads them.
                  + " SETTINGS optimize_on_insert = 0, insert_deduplicate = 0, async_insert = 0, max_partitions_per_insert_block = 0");
        }
        log.accept(
            "copied %s (%,d rows)"
                .formatted(table, session.count("SELECT count() FROM `" + table + "`")));
      }
    }
  }

  /** The columns that both databases' tables have. */
  private String columns(String table) {
    return blue
        .list(
            ("SELECT name FROM system.columns WHERE database = '%1$s' AND table = '%3$s' AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') AND name IN"
                    + " (SELECT name FROM system.columns WHERE database = '%2$s' AND table = '%3$s' AND default_kind NOT IN ('ALIAS', 'MATERIALIZED'))"
                    + " ORDER BY position")
                .formatted(blue.database(), green.database(), table),
            row -> "`" + row.getString(1) + "`")
        .stream()
        .collect(joining(", "));
  }

  /**
   * Copies the findings that the green job does not make: those of the outbox and of the audit, and
   * those that were dismissed.
   *
   * @param relayed whether the rows that are not acknowledged are relayed again. Then each is
   *     judged anew, so that an open O-STUCK is resolved.
   */
  void copyForeignFindings(boolean relayed) {
    String stuck = relayed ? "(code = 'O-STUCK' AND status = 'OPEN')" : "false";
    String columns = columns("data_inconsistencies");
    blue.execute(
        """
        INSERT INTO `%2$s`.data_inconsistencies (%3$s)
        SELECT %3$s FROM (
            SELECT * REPLACE (if(%4$s, 'the green job relays the row again', detail) AS detail, if(%4$s, _version + 1, _version) AS _version, if(%4$s, 'RESOLVED', status) AS status)
            FROM (SELECT * FROM `%1$s`.data_inconsistencies FINAL WHERE code LIKE 'O-%%' OR code LIKE 'X-%%' OR status = 'DISMISSED'))
        WHERE (code, subject_kind, subject_key, _version) NOT IN
            (SELECT code, subject_kind, subject_key, _version FROM `%2$s`.data_inconsistencies)
        """
            .formatted(blue.database(), green.database(), columns, stuck));
  }

  /** Removes the moment, and lets the merges go on in any case. */
  void end() {
    merges.start();
    blue.execute("DROP DATABASE IF EXISTS `%s` SYNC".formatted(moment));
  }
}
