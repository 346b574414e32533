package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The job that may write the tables of its sinks: the one with the latest claim of each in {@code
 * etl_owners}. A job claims its tables once, with its first commit. When another job was started
 * from the same savepoint and has claimed a table, the first job never gets it back, however often
 * it restarts.
 */
final class Ownership {

  static final String TABLE = "etl_owners";

  /** What a claim needs. */
  static final TableSchema SCHEMA =
      TableSchema.of(TABLE)
          .column("sink", "LowCardinality(String)")
          .column("job", "String")
          .column("epoch", "UInt64")
          .column("claimed_at", "DateTime64(3, 'UTC')");

  private static final int UNKNOWN_TABLE = 60;

  /** FUNCTION_THROW_IF_VALUE_IS_NON_ZERO. */
  private static final int CONDITION_FAILED = 395;

  private final ClickHouseHttp http;
  private final Duration timeout;
  private final List<String> sinks;
  private final String job;
  private String contested;
  private boolean othersMayInsert;

  /**
   * Sends no query yet.
   *
   * @param sinks the sinks' tables
   * @param job Flink's job id; a restart keeps it, a new submission gets a new one
   */
  Ownership(ClickHouseHttp http, Duration timeout, List<String> sinks, String job) {
    this.http = http;
    this.timeout = timeout;
    this.sinks = List.copyOf(sinks);
    this.job = job;
    this.contested = sinks.get(0);
  }

  /**
   * Returns the other job that has taken over a table; empty if all belong to this job.
   *
   * @throws BatchRefusedException if the table of claims is missing
   * @throws IOException if the server does not answer
   */
  Optional<String> otherOwner() throws IOException, InterruptedException {
    List<Claims> claims = claims();
    List<String> unclaimed = unclaimed(claims);
    if (!unclaimed.isEmpty()) {
      claim(unclaimed);
      othersMayInsert = true;
      claims = claims();
    }
    List<String> ofOthers =
        claims.stream().filter(table -> table.others() > 0).map(Claims::sink).toList();
    if (othersMayInsert && !ofOthers.isEmpty()) {
      endInserts(ofOthers);
    }
    othersMayInsert = false;
    Optional<Claims> lost = claims.stream().filter(table -> !table.owner().equals(job)).findFirst();
    lost.ifPresent(table -> contested = table.sink());
    return lost.map(Claims::owner);
  }

  private List<String> unclaimed(List<Claims> claims) {
    TreeSet<String> unclaimed = new TreeSet<>(sinks);
    claims.stream()
        .filter(table -> table.own() > 0)
        .forEach(table -> unclaimed.remove(table.sink()));
    return List.copyOf(unclaimed);
  }

  /** One table's claims: this job's, the other jobs', and the job with the latest. */
  private record Claims(String sink, long own, String owner, long others) {}

  private List<Claims> claims() throws IOException, InterruptedException {
    try {
      return http
          .select(
              ("SELECT sink, countIf(job = %1$s), argMax(job, (epoch, job)), countIf(job != %1$s) FROM %2$s"
                      + " WHERE sink IN (%3$s) GROUP BY sink ORDER BY sink")
                  .formatted(ClickHouseReader.literal(job), TABLE, literals(sinks)),
              Map.of(),
              timeout)
          .stream()
          .map(
              line ->
                  new Claims(line[0], Long.parseLong(line[1]), line[2], Long.parseLong(line[3])))
          .toList();
    } catch (ClickHouseHttp.RefusedException e) {
      if (e.answer().exceptionCode() == UNKNOWN_TABLE) {
        throw new BatchRefusedException(
            "Table "
                + TABLE
                + ", where a job claims table "
                + sinks.get(0)
                + ", is missing. Remedy: apply sql/clickhouse/001_tables.sql, then submit the job"
                + " from its last checkpoint.");
      }
      throw e;
    }
  }

  private void claim(List<String> unclaimed) throws IOException, InterruptedException {
    http.select(
        ("INSERT INTO %1$s (sink, job, epoch, claimed_at) SETTINGS async_insert = 0 SELECT arrayJoin([%2$s]) AS name,"
                + " %3$s, (SELECT ifNull(max(epoch), 0) FROM %1$s) + 1, now64(3)")
            .formatted(TABLE, literals(unclaimed), ClickHouseReader.literal(job)),
        Map.of(),
        timeout);
  }

  /**
   * Ends INSERTs of the former owner, which may have checked its ownership before the claim. This
   * may also end an INSERT of another subtask of this job, which then sends its batch again.
   */
  private void endInserts(List<String> tables) throws IOException, InterruptedException {
    String ofTables =
        tables.stream()
            .map(
                table ->
                    "startsWith(query_id, "
                        + ClickHouseReader.literal(BatchTable.queryIdPrefix(table))
                        + ")")
            .collect(Collectors.joining(" OR "));
    http.select(
        "KILL QUERY WHERE user = currentUser() AND current_database = currentDatabase() AND ("
            + ofTables
            + ") SYNC",
        Map.of(),
        timeout);
  }

  /**
   * The end of an INSERT … SELECT that fails it when another job has taken over a table, so that a
   * job need not ask before.
   */
  String condition() {
    return " WHERE throwIf((SELECT count() FROM (SELECT argMax(job, (epoch, job)) AS owner FROM %s WHERE sink IN (%s) GROUP BY sink) WHERE owner != %s) > 0) = 0"
        .formatted(TABLE, literals(sinks), ClickHouseReader.literal(job));
  }

  /** Whether the answer says that {@link #condition} has failed a statement. */
  boolean failedCondition(Answer answer) {
    return answer.exceptionCode() == CONDITION_FAILED;
  }

  private static String literals(List<String> names) {
    return names.stream().map(ClickHouseReader::literal).collect(Collectors.joining(", "));
  }

  /**
   * The error of this job when another has taken over.
   *
   * @param place what this job does not write any more
   */
  BatchRefusedException lost(String place, String owner) {
    return new BatchRefusedException(
        "Job "
            + owner
            + " has taken over table "
            + contested
            + " from this job "
            + job
            + ", which stops before "
            + place
            + ": both were started from one savepoint and write the same changes. Nothing is lost. The"
            + " rows that this job has written since the savepoint are in the table twice, with equal"
            + " key and version: FINAL shows them once, and OPTIMIZE TABLE "
            + contested
            + " FINAL removes the second copy. Remedy: run only one of the two jobs. To keep this one,"
            + " cancel the other, run ALTER TABLE "
            + TABLE
            + " DELETE WHERE sink IN ("
            + literals(sinks)
            + ") AND job = "
            + ClickHouseReader.literal(owner)
            + ", and submit this job from its last checkpoint.");
  }
}
