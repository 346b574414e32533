package io.experimentetl.clickhouse;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The settings of a replicated table, and of the user's profile, under which a probe on one replica
 * proves whether a batch is in the table. Plain functions.
 */
final class ReplicaCheck {

  /** Above it, another replica may have acknowledged a batch that this one does not show yet. */
  private static final long MAX_DELAY_SECONDS = 10;

  private static final int DAYS_OF_WINDOW = 7;

  private ReplicaCheck() {}

  /**
   * A table's row of {@code system.replicas}.
   *
   * @param readOnly whether the server has lost the table's Keeper
   * @param replicas the number of the table's replicas
   * @param active those of them that have a session with Keeper
   * @param delaySeconds age of the oldest INSERT of another replica that this one has yet to fetch
   */
  record Replica(boolean readOnly, long replicas, long active, long delaySeconds) {}

  /**
   * The settings of the user's profile.
   *
   * @param quorum {@code insert_quorum}: a number, or {@code auto}
   * @param parallel {@code insert_quorum_parallel}
   * @param sequentialReads {@code select_sequential_consistency}
   */
  record Profile(String quorum, boolean parallel, boolean sequentialReads) {

    /** The number of replicas that acknowledge an INSERT; 0 or 1: no quorum. */
    private long size(long replicas) {
      return quorum.equals("auto") ? replicas / 2 + 1 : Long.parseLong(quorum);
    }
  }

  /** The problems of a replica, each with its remedy. */
  static List<String> problems(String table, Replica replica, Profile profile) {
    if (replica.readOnly()) {
      return List.of(
          "Table "
              + table
              + " is a read-only replica, because its server has no session with Keeper: start Keeper, or"
              + " set clickhouse.url to another replica.");
    }
    List<String> problems = new ArrayList<>();
    if (replica.delaySeconds() > MAX_DELAY_SECONDS) {
      problems.add(
          "The replica of table "
              + table
              + " is "
              + replica.delaySeconds()
              + " s behind the others, so a batch that another replica has would be written twice: run"
              + " SYSTEM SYNC REPLICA "
              + table
              + " on it, then start the job.");
    }
    long quorum = profile.size(replica.replicas());
    if (quorum > 1 && (profile.parallel() || !profile.sequentialReads())) {
      problems.add(
          "Table "
              + table
              + " is written with insert_quorum = "
              + profile.quorum()
              + ", and a probe may count rows that the server removes when the quorum is missed: set"
              + " insert_quorum_parallel = 0 and select_sequential_consistency = 1 in the user's profile, or"
              + " insert_quorum = 0.");
    }
    if (quorum > 1 && quorum > replica.active()) {
      problems.add(
          "Table "
              + table
              + " is written with insert_quorum = "
              + profile.quorum()
              + ", but "
              + replica.active()
              + " of its "
              + replica.replicas()
              + " replicas are active, so no INSERT succeeds: start the others, or lower insert_quorum.");
    }
    return problems;
  }

  /**
   * Whether a replicated table remembers a token for as long as the sink sends a batch without a
   * probe.
   *
   * @param seconds {@code replicated_deduplication_window_seconds}
   * @return the problem with its remedy, or none
   */
  static List<String> windowProblems(String table, long seconds, Duration withoutProbe) {
    if (seconds >= withoutProbe.toSeconds()) {
      return List.of();
    }
    return List.of(
        "Table "
            + table
            + " remembers deduplication tokens for "
            + seconds
            + " s, but the sink sends a batch without a probe for "
            + withoutProbe.toSeconds()
            + " s: run ALTER TABLE "
            + table
            + " MODIFY SETTING replicated_deduplication_window_seconds = "
            + Duration.ofDays(DAYS_OF_WINDOW).toSeconds()
            + ".");
  }

  /**
   * A setting in the text of a table's engine.
   *
   * @return its value; null if the table does not set it
   */
  static Long setting(String engineFull, String name) {
    Matcher matcher = Pattern.compile("\\b" + name + " = (\\d+)").matcher(engineFull);
    return matcher.find() ? Long.valueOf(matcher.group(1)) : null;
  }
}
