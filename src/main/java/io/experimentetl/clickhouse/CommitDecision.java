package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import java.util.Set;

/** What follows from what is known of a batch. Plain functions. */
final class CommitDecision {

  /** What the committer does next. */
  enum Next {
    /** Send it: it isn't there. */
    INSERT,
    /** It is there. */
    DONE,
    /** Some of its rows are there: see whether the others were replaced. */
    COMPARE,
    /** Look for it, after a while: it may or may not be there. */
    PROBE,
    /** It can't become right by itself. */
    STOP
  }

  /**
   * UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED, …: may be put right.
   */
  private static final Set<Integer> LOGIN_CODES = Set.of(192, 193, 194, 516);

  /**
   * QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, SESSION_NOT_FOUND, SESSION_IS_LOCKED: another copy of
   * the request was faster, or is on its way.
   */
  private static final Set<Integer> ANOTHER_COPY_CODES = Set.of(216, 372, 373);

  /** A CHECK of the table; the server says it with a 5xx, and before it writes the block. */
  private static final int VIOLATED_CONSTRAINT = 469;

  /** TOO_MANY_PARTS, also said of a block with rows of two partitions. */
  private static final int TOO_MANY_PARTS = 252;

  private CommitDecision() {}

  /**
   * Whether to look for a batch before sending it in this attempt: always, unless nobody can have
   * sent it yet. A checkpoint that holds a batch is later than the one its writer was restored
   * from; so a committer restored from that same one got the batch from the writer itself.
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
   * After a probe that found {@code present} rows of {@code rows}. An INSERT is all or nothing, but
   * a merge drops rows that were replaced.
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

  /** After a comparison that found {@code missing} rows neither there nor replaced. */
  static Next afterComparison(long missing) {
    return missing == 0 ? Next.DONE : Next.STOP;
  }

  /**
   * After an answer to an INSERT. Only ClickHouse's own 4xx is a proof that nothing was written and
   * a promise that it never will be.
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

  /** What to do about an error that a batch keeps meeting; empty if its text says it already. */
  static String remedy(int exceptionCode) {
    return switch (exceptionCode) {
      case 241 -> "give the server more memory, or the job a smaller clickhouse.batch-rows";
      case 243 -> "free or add disk space on the server";
      case 252 ->
          "let merges catch up: more merge threads, a longer checkpoint interval or a"
              + " greater clickhouse.batch-rows; parts_to_throw_insert is the limit";
      case 164 -> "the user's profile is readonly: give it one that may insert";
      case 242 -> "the table has lost its Keeper or is being restored: see system.replicas";
      case 774 -> "ALTER TABLE ... RESET SETTING table_readonly";
      case 192, 193, 194, 516 ->
          "correct the user or the password; the password is read anew when the job restarts";
      case 372, 373 -> "the URL must lead to one server, or stay with one for a session";
      default -> "";
    };
  }
}
