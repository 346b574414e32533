package io.experimentetl.maintenance;

import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.postgres.AdvisoryLock;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which task is due, and that each due time is served once, however many schedulers there are. The
 * table {@code etl_schedule} remembers it; a lock of PostgreSQL's session is held while a task
 * runs, so a task whose process died is run again.
 */
public final class Schedule {
  private static final int DETAIL_LIMIT = 2000;
  private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(5);

  private final PostgresLogin postgres;
  private final Clock clock;
  private final String runner;

  /**
   * The schedule in a database.
   *
   * @param runner names this process in the table
   */
  public Schedule(PostgresLogin postgres, Clock clock, String runner) {
    this.postgres = postgres;
    this.clock = clock;
    this.runner = runner;
  }

  /** What a task has done. */
  public record Outcome(boolean succeeded, String detail) {}

  /** A task's work. */
  @FunctionalInterface
  public interface Work {
    Outcome run() throws SQLException;
  }

  /**
   * Runs the task if it is due and nobody has run it, or runs it now.
   *
   * @param byCron whether a scheduler of its own started this: then a task that the table has never
   *     seen is run at once, and one that is due within minutes is due, because clocks differ
   * @return empty: it is not due, or another scheduler has it
   */
  public Optional<Outcome> runIfDue(ScheduledTask task, boolean byCron, Work work)
      throws SQLException {
    Instant now = clock.instant();
    Instant dueBy = byCron ? now.plus(CLOCKS_DIFFER) : now;
    Timestamp due = Timestamp.from(task.lastDue(dueBy));
    Timestamp next = Timestamp.from(task.nextDue(dueBy));
    try (Connection connection = postgres.connect()) {
      if (!AdvisoryLock.tryLock(connection, "schedule " + task.text())) {
        return Optional.empty();
      }
      SqlRows.update(
          connection,
          "INSERT INTO etl_schedule (task, due_at, next_at, outcome) VALUES (?, ?::timestamptz - CASE WHEN ? THEN interval '1 second' ELSE interval '0' END, ?, 'WAITING')"
              + " ON CONFLICT (task) DO NOTHING",
          task.text(),
          due,
          byCron,
          next);
      int claimed =
          SqlRows.update(
              connection,
              "UPDATE etl_schedule SET due_at = ?, next_at = ?, started_at = ?, finished_at = NULL, outcome = 'RUNNING', detail = NULL, runner = ?"
                  + " WHERE task = ? AND (due_at < ? OR outcome = 'RUNNING')",
              due,
              next,
              Timestamp.from(now),
              runner,
              task.text(),
              due);
      return claimed == 0 ? Optional.empty() : Optional.of(run(connection, task, work));
    }
  }

  private Outcome run(Connection connection, ScheduledTask task, Work work) throws SQLException {
    Outcome outcome = new Outcome(false, "it ended with a defect: see the log");
    try {
      outcome = work.run();
    } catch (SQLException e) {
      outcome = new Outcome(false, e.getMessage());
    } finally {
      SqlRows.update(
          connection,
          "UPDATE etl_schedule SET finished_at = ?, outcome = ?, detail = left(?, ?) WHERE task = ?",
          Timestamp.from(clock.instant()),
          outcome.succeeded ? "DONE" : "FAILED",
          outcome.detail,
          DETAIL_LIMIT,
          task.text());
    }
    return outcome;
  }

  /** The rows of {@code etl_schedule}, each with the task's cron expression. */
  public List<Map<String, Object>> tasks() throws SQLException {
    try (Connection connection = postgres.connect()) {
      List<Map<String, Object>> rows =
          SqlRows.query(
              connection,
              "SELECT task, due_at, next_at, started_at, finished_at, outcome, detail, runner FROM etl_schedule ORDER BY task");
      for (Map<String, Object> row : rows) {
        for (ScheduledTask task : ScheduledTask.values()) {
          if (task.text().equals(row.get("task"))) {
            row.put("cron", task.cron());
          }
        }
      }
      return rows;
    }
  }
}
