package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Which job writes a sink's table: the one that claimed it last, in {@code etl_owners}. A job
 * claims it once, with its first commit. A job whose claim isn't the last one any more, because
 * another was started from its savepoint, has lost for good, however often it restarts.
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
   * Asks nothing yet.
   *
   * @param sink the sink's table
   * @param job Flink's id of the job: a restart keeps it, another submission has another
   */
  Ownership(ClickHouseHttp http, Duration timeout, String sink, String job) {
    this.http = http;
    this.timeout = timeout;
    this.sink = sink;
    this.job = job;
  }

  /**
   * The other job that has taken over; empty if the table is this job's.
   *
   * @throws BatchRefusedException if there is no table for claims
   * @throws IOException if the server doesn't answer
   */
  String lostTo() throws IOException, InterruptedException {
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

  /** How many claims this job has, whose is the last one, and how many others have. */
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
                + ", in which a job says that it writes table "
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
   * What the former owner still sends is ended: it may have looked before the claim. Another
   * subtask of this job may have claimed too, and sends its batch again.
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
   * Why this job stops.
   *
   * @param batch the first of the batches that it was committing
   */
  BatchRefusedException lost(SealedBatch batch, String owner) {
    return new BatchRefusedException(
        "Job "
            + owner
            + " has taken over table "
            + sink
            + " from this job "
            + job
            + ", which stops at "
            + batch.place()
            + ": both were started from one savepoint, and both write what came behind it. Nothing"
            + " is lost. What this job has written since then stands twice, equal in key and"
            + " version: FINAL shows it once, OPTIMIZE TABLE "
            + sink
            + " FINAL removes the second. Remedy: run one of the two. If it is to be this one, stop"
            + " the other one, ALTER TABLE "
            + TABLE
            + " DELETE WHERE sink = "
            + BatchTable.literal(sink)
            + " AND job = "
            + BatchTable.literal(owner)
            + ", and submit this one from its last checkpoint.");
  }
}
