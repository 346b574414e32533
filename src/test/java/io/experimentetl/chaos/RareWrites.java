package io.experimentetl.chaos;

import java.util.SplittableRandom;

/**
 * Writes that a platform does seldom and that change more than one row's values: changed keys,
 * replaced users, truncated tables, moves to another month, ramps of an allocation.
 */
final class RareWrites {
  private static final int ONE_OF = 400;
  private static final int TRUNCATE_ONE_OF = 3_000;

  private RareWrites() {}

  /**
   * One of them, or mostly none.
   *
   * @param experiments the number of experiments, which have the ids from 1 on
   * @return null: none this time
   */
  static String of(SplittableRandom random, String user, int experiment, int experiments) {
    if (random.nextInt(TRUNCATE_ONE_OF) == 0) {
      return truncateAssignments();
    }
    int choice = random.nextInt(ONE_OF);
    if (choice < 4) {
      return rename(user);
    }
    if (choice < 8) {
      return replace(random, user, experiment, experiments);
    }
    if (choice < 10) {
      return ramp(random, experiment);
    }
    return choice < 12 ? moveToAnotherMonth(user, experiment) : null;
  }

  /** To another id, and the next time back. */
  private static String rename(String user) {
    return "UPDATE users SET user_id = CASE user_id WHEN '%1$s' THEN '%1$s-r' ELSE '%1$s' END WHERE user_id IN ('%1$s', '%1$s-r')"
        .formatted(user);
  }

  /** The user's row and facts are deleted and come again with other values, in one transaction. */
  private static String replace(
      SplittableRandom random, String user, int experiment, int experiments) {
    return """
        BEGIN;
        DELETE FROM users WHERE user_id = '%1$s';
        INSERT INTO users (user_id, properties) VALUES ('%1$s', '{"plan": "again"}');
        INSERT INTO assignments (experiment_id, user_id, variant_id, source)
        SELECT e, '%1$s', e * 10 + %2$d, 'hash' FROM generate_series(1, %4$d) AS e;
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        VALUES (now() - interval '1 hour', %3$d, '%1$s', %3$d * 10 + %2$d, 'exposure');
        UPDATE events SET timestamp = timestamp + interval '1 minute' WHERE user_id = '%1$s';
        INSERT INTO events (timestamp, experiment_id, user_id, variant_id, event_type)
        VALUES (now(), %3$d, '%1$s', %3$d * 10 + %2$d, 'conversion');
        DELETE FROM events WHERE user_id = '%1$s' AND event_type = 'conversion';
        COMMIT
        """
        .formatted(user, random.nextInt(2), experiment, experiments);
  }

  /** Nine of ten rows come again unchanged in the same transaction. */
  private static String truncateAssignments() {
    return """
        BEGIN;
        CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM assignments WHERE id % 10 <> 0;
        TRUNCATE assignments;
        INSERT INTO assignments SELECT * FROM kept;
        COMMIT
        """;
  }

  private static String ramp(SplittableRandom random, int experiment) {
    return "UPDATE variants SET updated_at = now(), allocation_pct = CASE WHEN is_control THEN %1$d ELSE 100 - %1$d END WHERE experiment_id = %2$d"
        .formatted(random.nextInt(1, 100), experiment);
  }

  private static String moveToAnotherMonth(String user, int experiment) {
    return "UPDATE events SET timestamp = timestamp - interval '35 days' WHERE user_id = '%s' AND experiment_id = %d AND event_type = 'conversion' AND timestamp > now() - interval '9 days'"
        .formatted(user, experiment);
  }
}
