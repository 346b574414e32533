package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import java.util.Set;

/** Decides the next step of a commit from what is known about the batch. Plain functions. */
final class CommitDecision {

  /** The next step. */
  enum Next {
    /** Send the batch: the table does not have its rows. */
    INSERT,
    /** The table has the rows. */
    DONE,
    /** The table has some of the rows: find out whether the others were replaced. */
    COMPARE,
    /** The outcome is unknown: count the rows in the table. */
    PROBE,
    /** Fail: no retry can help. */
    STOP
  }

  /**
   * UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED: an operator may correct
   * the user on the server while the committer retries.
   */
  private static final Set<Integer> LOGIN_CODES = Set.of(192, 193, 194, 516);

  /**
   * QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, SESSION_NOT_FOUND, SESSION_IS_LOCKED: another copy of
   * the request arrived earlier.
   */
  private static final Set<Integer> ANOTHER_COPY_CODES = Set.of(216, 372, 373);

  /** A CHECK of the table. The server reports it with a 5xx, before it writes the block. */
  private static final int VIOLATED_CONSTRAINT = 469;

  /** TOO_MANY_PARTS, also the code for a block with rows of two partitions. */
  private static final int TOO_MANY_PARTS = 252;

  private CommitDecision() {}

  /**
   * Whether the first step is a probe: yes, unless no other committer can have sent the batch. A
   * checkpoint that contains the batch is later than the one its writer was restored from; so a
   * committer restored from the same checkpoint as the writer is the first to have the batch.
   *
   * @param restoredFrom the checkpoint that the committer was restored from, -1 if from none
   * @param now milliseconds since 1970
   */
  static boolean probeFirst(
      SealedBatch batch, int earlierTries, long restoredFrom, long now, long probeAfterMillis) {
    return earlierTries > 0
        || batch.sealedAfter() != restoredFrom
        || now - batch.sealedAt() > probeAfterMillis;
  }

  /**
   * The step after a probe that found {@code present} of {@code rows} rows. An INSERT writes all
   * rows or none, but a merge drops rows that were replaced.
   */
  static Next afterProbe(long present, long rows) {
    if (present == 0) {
      return Next.INSERT;
    }
    if (present == rows) {
      return Next.DONE;
    }
    return present < rows ? Next.COMPARE : Next.STOP;
  }

  /**
   * The step after a comparison: {@code missing} rows are not in the table and were not replaced.
   */
  static Next afterComparison(long missing) {
    return missing == 0 ? Next.DONE : Next.STOP;
  }

  /**
   * The step after the answer to an INSERT. Only a 4xx of ClickHouse itself proves that nothing was
   * written and never will be.
   */
  static Next afterAnswer(Answer answer) {
    if (answer.succeeded()) {
      return Next.DONE;
    }
    if (answer.exceptionCode() == TOO_MANY_PARTS
        && answer.text().contains("Too many partitions for single INSERT block")) {
      return Next.STOP;
    }
    if (answer.exceptionCode() == VIOLATED_CONSTRAINT) {
      return Next.STOP;
    }
    boolean refused =
        answer.status() >= 400
            && answer.status() < 500
            && answer.status() != 408
            && answer.status() != 429
            && answer.exceptionCode() > 0
            && !LOGIN_CODES.contains(answer.exceptionCode())
            && !ANOTHER_COPY_CODES.contains(answer.exceptionCode());
    return refused ? Next.STOP : Next.PROBE;
  }

  /** The remedy for an error that does not go away; empty if the error text contains it. */
  static String remedy(int exceptionCode) {
    return switch (exceptionCode) {
      case 241 -> "give the server more memory, or the job a smaller clickhouse.batch-rows";
      case 243 -> "free or add disk space on the server";
      case 252 ->
          "let merges catch up: use more merge threads, a longer checkpoint interval or a larger"
              + " clickhouse.batch-rows; parts_to_throw_insert is the limit";
      case 164 -> "the user's profile is readonly: assign a profile that allows INSERT";
      case 242 -> "the table has lost its Keeper or is being restored: check system.replicas";
      case 774 -> "run ALTER TABLE ... RESET SETTING table_readonly";
      case 192, 193, 194, 516 ->
          "correct the user or the password; the job reads the password again when it restarts";
      case 372, 373 -> "use the URL of one server, or of a proxy with session affinity";
      default -> "";
    };
  }
}
