package io.experimentetl.local.traffic;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * One statement on one row. All parameters are text, numbers, booleans or null; PostgreSQL reads
 * the text as the column's type.
 */
public record Write(Kind kind, List<Object> parameters) {

  /** The kind of a write; the report counts by these names. */
  public enum Kind {
    INSERT_EXPERIMENT(
        "INSERT INTO experiments (id, key, name, description, status, seed, version, config, starts_at, ends_at,"
            + " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"),
    INSERT_VARIANT(
        "INSERT INTO variants (id, experiment_id, key, name, description, allocation_pct, is_control, config,"
            + " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"),
    INSERT_USER(
        "INSERT INTO users (user_id, email, name, properties, is_active, created_at, updated_at)"
            + " VALUES (?, ?, ?, ?, ?, ?, ?)"),
    INSERT_ASSIGNMENT(
        "INSERT INTO assignments (id, experiment_id, user_id, variant_id, version, source, context, assigned_at,"
            + " enrolled_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    INSERT_EVENT(
        "INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, assignment_at,"
            + " properties, session_id, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    INSERT_OUTBOX(
        "INSERT INTO outbox_events (aggregate_id, aggregate_type, event_type, payload, created_at)"
            + " VALUES (?, ?, ?, ?, ?)"),
    UPDATE_EXPERIMENT(
        "UPDATE experiments SET status = ?, version = version + 1, updated_at = ? WHERE id = ?"),
    UPDATE_USER("UPDATE users SET properties = ?, updated_at = ? WHERE user_id = ?"),
    ENROL("UPDATE assignments SET enrolled_at = ?, updated_at = ? WHERE id = ?"),
    REASSIGN(
        "UPDATE assignments SET variant_id = ?, version = version + 1, updated_at = ? WHERE id = ?"),
    UPDATE_EVENT("UPDATE events SET properties = ? WHERE id = ? AND timestamp = ?"),
    MOVE_EVENT("UPDATE events SET timestamp = ? WHERE id = ? AND timestamp = ?"),
    DELETE_EVENT("DELETE FROM events WHERE id = ? AND timestamp = ?"),
    ERASE_USER("DELETE FROM users WHERE user_id = ?");

    final String sql;

    Kind(String sql) {
      this.sql = sql;
    }
  }

  static Write of(Kind kind, Object... parameters) {
    return new Write(kind, Collections.unmodifiableList(Arrays.asList(parameters)));
  }
}
