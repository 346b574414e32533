package io.experimentetl;

/** The rows that {@link ExperimentEtlJobIT} writes, as SQL. */
final class JobScenario {
  private JobScenario() {}

  static final String EXPERIMENTS =
      """
      INSERT INTO experiments (id, key, name, status, seed, config, starts_at)
      VALUES (1, 'checkout', 'Checkout', 'ACTIVE', 's', '{"zone": "Europe/Berlin"}', now() - interval '60 days'),
             (2, 'banner', 'Banner', 'ACTIVE', 's', NULL, NULL);
      INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
      VALUES (11, 1, 'control', 'Control', 50, true), (12, 1, 'treatment', 'Treatment', 50, false),
             (21, 2, 'control', 'Control', 50, true), (22, 2, 'treatment', 'Treatment', 50, false);
      """;

  /** Users 1 to 40. The assigner of experiment 2 uses one variant only. */
  static final String USERS =
      """
      INSERT INTO users (user_id, email, properties)
      SELECT 'u' || n, n || '@example.org', jsonb_build_object('country', 'DE') FROM generate_series(1, 40) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 1, 'u' || n, 11 + n % 2, 'hash', now() - interval '5 days' FROM generate_series(1, 30) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 2, 'u' || n, 21, 'hash', now() - interval '5 days' FROM generate_series(1, 30) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      VALUES (1, 'u31', 11, 'override', now() - interval '5 days');
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), now() - interval '4 days' + n * interval '1 hour', 1, 'u' || n, 11 + n % 2, 'exposure', '{}'
      FROM generate_series(1, 30) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), now() - interval '1 days' + n * interval '1 minute', 1, 'u' || n, 11 + n % 2,
             CASE WHEN n % 3 = 0 THEN 'purchase' ELSE 'conversion' END,
             jsonb_build_object('revenue', n * 1.25)
      FROM generate_series(1, 20) n;
      """;

  /**
   * Experiment 3 has 100 users in one variant who buy, one of them for 1,000. No user converts, the
   * last exposures are three days old, and one user is a bot. The variants of 4 and 5 are
   * inconsistent.
   */
  static final String UNHEALTHY =
      """
      INSERT INTO experiments (id, key, name, status, seed)
      VALUES (3, 'sick', 'Sick', 'ACTIVE', 's'), (4, 'no-control', 'No control', 'ACTIVE', 's'), (5, 'controls', 'Controls', 'ACTIVE', 's');
      INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
      VALUES (31, 3, 'control', 'Control', 100, true), (41, 4, 'a', 'A', 50, false), (42, 4, 'b', 'B', 40, false),
             (51, 5, 'a', 'A', 50, true), (52, 5, 'b', 'B', 50, true);
      INSERT INTO users (user_id) SELECT 'sick' || n FROM generate_series(1, 100) n;
      INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
      SELECT 3, 'sick' || n, 31, 'hash', now() - interval '20 days' FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - (3 + n % 9) * interval '1 day', 3, 'sick' || n, 31, 'exposure', '{}'
      FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - (3 + n % 9) * interval '1 day' + interval '1 hour', 3, 'sick' || n, 31, 'purchase',
             jsonb_build_object('revenue', CASE n WHEN 1 THEN 1000 ELSE 1 END)
      FROM generate_series(1, 100) n;
      INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
      SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC') - interval '1 day' + n * interval '1 minute', 3, 'sick2', 31, 'page_view', '{}'
      FROM generate_series(1, 13) n;
      """;

  static String event(
      String id,
      String age,
      long experiment,
      String user,
      String variant,
      String type,
      String properties) {
    return """
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        VALUES ('00000000-0000-0000-0000-0000000000%s', now() - interval '%s', %d, '%s', %s, '%s', '%s');
        """
        .formatted(id, age, experiment, user, variant, type, properties);
  }

  /**
   * Rows and changes with every kind of fault that the job reports, and an unhealthy experiment.
   */
  static String[] everyFault() {
    return new String[] {
      event("01", "2 days", 1, "u1", "11", "exposure", "{}"), // u1 is assigned 12
      event("02", "2 days", 1, "u2", "NULL", "exposure", "{}"),
      event("03", "6 days", 1, "u3", "12", "conversion", "{}"),
      event("04", "2 days", 1, "u4", "21", "page_view", "{}"),
      event("05", "2 days", 1, "u5", "99", "page_view", "{}"),
      event("06", "2 days", 77, "u6", "11", "exposure", "{}"),
      event("07", "2 days", 1, "u40", "11", "exposure", "{}"),
      event("08", "-2 days", 1, "u8", "11", "exposure", "{}"),
      event("09", "2 days", 1, "u9", "12", "purchase", "{\"revenue\": -5}"),
      event("10", "2 days", 1, "u10", "11", "purchase", "[1]"),
      event("11", "2 days", 1, "u11", "12", "conversion", "{}"),
      event("11", "1 days", 1, "u11", "12", "conversion", "{}"),
      event("12", "2 days", 1, "u12", "11", "conversion", "{}"),
      event("12", "1 days", 1, "u12", "11", "purchase", "{\"revenue\": 1}"),
      event("13", "70 days", 1, "u14", "11", "page_view", "{}"), // the experiment began 60 days ago
      event("14", "20 days", 1, "u25", "12", "exposure", "{}"),
      event("15", "2 days", 1, "u25", "12", "purchase", "{\"revenue\": 1}"),
      event("16", "100 days", 1, "u26", "11", "page_view", "{}"),
      event("17", "2 days", 1, "u27", "12", "mystery", "{}"),
      event("18", "2 days", 1, "u28", "11", "page_view", "{}")
          .replace("properties)", "properties, assignment_at)")
          .replace("'{}')", "'{}', now())"),
      "UPDATE assignments SET enrolled_at = now() - interval '1 day' WHERE experiment_id = 1 AND user_id = 'u21'",
      "UPDATE assignments SET enrolled_at = now() - interval '6 days' WHERE experiment_id = 1 AND user_id = 'u22'",
      "UPDATE assignments SET version = 2 WHERE experiment_id = 1 AND user_id = 'u23'",
      "UPDATE experiments SET status = 'PAUSED' WHERE id = 2",
      "UPDATE assignments SET variant_id = 11 WHERE experiment_id = 1 AND user_id = 'u13'",
      "ALTER TABLE assignments DROP CONSTRAINT assignments_experiment_id_user_id_key",
      """
        INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at)
        SELECT experiment_id, user_id, 11 + 12 - variant_id, 'api', assigned_at - interval '1 hour' * (CASE user_id WHEN 'u29' THEN 1 ELSE -1 END)
        FROM assignments WHERE experiment_id = 1 AND user_id IN ('u28', 'u29', 'u30')
        """,
      "UPDATE events SET properties = '{\"revenue\": 3}' WHERE user_id = 'u15' AND event_type = 'purchase'",
      "DELETE FROM events WHERE user_id = 'u16' AND event_type <> 'exposure'",
      "DELETE FROM users WHERE user_id = 'u17'",
      UNHEALTHY
    };
  }

  /** Corrections of some faults, and further changes while the job is stopped. */
  static String[] corrections() {
    return new String[] {
      "INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at) VALUES (1, 'u40', 11, 'hash', now() - interval '3 days')",
      event("20", "3 days", 1, "u20", "11", "purchase", "{\"revenue\": 0.1}"),
      event("21", "0 days", 2, "u24", "21", "page_view", "{}"), // the experiment is paused
      "DELETE FROM events WHERE timestamp < now() - interval '95 days'",
      "DELETE FROM assignments WHERE experiment_id = 1 AND user_id = 'u30' AND source = 'hash'",
      """
        UPDATE events SET assignment_at = (SELECT a.assigned_at FROM assignments a WHERE a.experiment_id = 1
            AND a.user_id = events.user_id AND a.source = 'hash') WHERE assignment_at IS NOT NULL
        """,
      """
        UPDATE assignments SET enrolled_at = (SELECT min(e.timestamp) FROM events e WHERE e.event_type = 'exposure'
            AND e.user_id = assignments.user_id AND e.experiment_id = 1) WHERE experiment_id = 1 AND user_id = 'u21'
        """,
      "DELETE FROM users WHERE user_id = 'u18'",
      "UPDATE experiments SET ends_at = now() - interval '30 hours' WHERE id = 1",
      "INSERT INTO assignments (experiment_id, user_id, variant_id, source, assigned_at) VALUES (2, 'u40', 22, 'hash', now())",
      event("23", "0 days", 2, "u40", "22", "exposure", "{}"),
      event("22", "0 days", 3, "sick3", "31", "conversion", "{}"),
      "DELETE FROM events WHERE user_id = 'sick1' AND event_type = 'purchase'",
      "UPDATE variants SET allocation_pct = 50, is_control = (id = 41) WHERE experiment_id = 4",
      "UPDATE variants SET is_control = false WHERE id = 52",
      "UPDATE experiments SET status = 'PAUSED' WHERE id = 3"
    };
  }
}
