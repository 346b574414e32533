package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * The job that may write a sink's table: the one with the latest claim in {@code etl_owners}. A job
 * claims the table once, with its first commit. When another job was started from the same
 * savepoint and has claimed the table, the first job never gets it back, however often it restarts.
 */
final class Ownership {

  static final String TABLE = "etl_owners";

  private static final int UNKNOWN_TABLE = 60;

  private final ClickHouseHttp http;
  private final Duration timeout;
  private final String sink;
  private final String job;
  private boolean othersMayInsert;

  /**
   * Sends no query yet.
   *
   * @param sink the sink's table
   * @param job Flink's job id; a restart keeps it, a new submission gets a new one
   */
  Ownership(ClickHouseHttp http, Duration timeout, String sink, String job) {
    this.http = http;
    this.timeout = timeout;
    this.sink = sink;
    this.job = job;
  }

  /**
   * Returns the other job that has taken over; empty if the table belongs to this job.
   *
   * @throws BatchRefusedException if the table of claims is missing
   * @throws IOException if the server does not answer
   */
  String otherOwner() throws IOException, InterruptedException {
    String[] state = state();
    if (state[0].equals("0")) {
      claim();
      othersMayInsert = true;
      state = state();
    }
    if (othersMayInsert && !state[2].equals("0")) {
      endInserts();
    }
    othersMayInsert = false;
    return state[1].equals(job) ? "" : state[1];
  }

  /** This job's claims, the job with the latest claim, and the other jobs' claims. */
  private String[] state() throws IOException, InterruptedException {
    try {
      List<String[]> state =
          http.select(
              "SELECT countIf(job = %1$s), argMax(job, (epoch, job)), countIf(job != %1$s) FROM %2$s WHERE sink = %3$s"
                  .formatted(BatchTable.literal(job), TABLE, BatchTable.literal(sink)),
              Map.of(),
              timeout);
      return state.get(0);
    } catch (ClickHouseHttp.RefusedException e) {
      if (e.answer().exceptionCode() == UNKNOWN_TABLE) {
        throw new BatchRefusedException(
            "Table "
                + TABLE
                + ", where a job claims table "
                + sink
                + ", is missing. Remedy: apply sql/clickhouse/001_tables.sql, then submit the job"
                + " from its last checkpoint.");
      }
      throw e;
    }
  }

  private void claim() throws IOException, InterruptedException {
    http.select(
        ("INSERT INTO %1$s (sink, job, epoch, claimed_at) SETTINGS async_insert = 0 SELECT %2$s,"
                + " %3$s, max(epoch) + 1, now64(3) FROM %1$s WHERE sink = %2$s")
            .formatted(TABLE, BatchTable.literal(sink), BatchTable.literal(job)),
        Map.of(),
        timeout);
  }

  /**
   * Ends INSERTs of the former owner, which may have checked its ownership before the claim. This
   * may also end an INSERT of another subtask of this job, which then sends its batch again.
   */
  private void endInserts() throws IOException, InterruptedException {
    http.select(
        "KILL QUERY WHERE user = currentUser() AND current_database = currentDatabase() AND"
            + " startsWith(query_id, "
            + BatchTable.literal(BatchTable.queryIdPrefix(sink))
            + ") SYNC",
        Map.of(),
        timeout);
  }

  /**
   * The error of this job when another has taken over.
   *
   * @param batch the first of the batches to commit
   */
  BatchRefusedException lost(SealedBatch batch, String owner) {
    return new BatchRefusedException(
        "Job "
            + owner
            + " has taken over table "
            + sink
            + " from this job "
            + job
            + ", which stops before "
            + batch.place()
            + ": both were started from one savepoint and write the same changes. Nothing is lost. The"
            + " rows that this job has written since the savepoint are in the table twice, with equal"
            + " key and version: FINAL shows them once, and OPTIMIZE TABLE "
            + sink
            + " FINAL removes the second copy. Remedy: run only one of the two jobs. To keep this one,"
            + " cancel the other, run ALTER TABLE "
            + TABLE
            + " DELETE WHERE sink = "
            + BatchTable.literal(sink)
            + " AND job = "
            + BatchTable.literal(owner)
            + ", and submit this job from its last checkpoint.");
  }
}
