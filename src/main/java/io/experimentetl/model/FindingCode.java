package io.experimentetl.model;

import static io.experimentetl.model.Severity.ERROR;
import static io.experimentetl.model.Severity.FATAL;
import static io.experimentetl.model.Severity.INFO;
import static io.experimentetl.model.Severity.WARNING;

import java.util.EnumSet;
import java.util.Set;

/**
 * The closed list of inconsistencies. The meaning of a released code never changes.
 *
 * <p>{@code docs/findings.md} is generated from this list.
 */
public enum FindingCode {
  R_ORPHAN_EXPERIMENT(
      ERROR,
      true,
      "The row names an experiment that does not exist.",
      "Create the experiment, or stop the sender."),
  R_ORPHAN_VARIANT(
      ERROR,
      true,
      "The row names a variant that does not exist.",
      "Create the variant, or fix the sender."),
  R_ORPHAN_USER(
      WARNING,
      true,
      "The row names a user that does not exist.",
      "Create the user. Until then the row counts without user properties."),
  R_ORPHAN_ASSIGNMENT(
      ERROR,
      true,
      "The user of the event has no assignment in the experiment.",
      "Find out why the assigner did not store the assignment. Until it is stored, the user does not count."),
  R_ORPHAN_LOOKUP(
      WARNING,
      true,
      "Rows of a replicated table name a row that the table of a lookup does not have, or whose value the looked-up column cannot hold. What is looked up is NULL.",
      "Create the row, or correct the column that names it. The rows are corrected when it comes."),
  R_VARIANT_NOT_IN_EXPERIMENT(
      ERROR,
      true,
      "The row names a variant of another experiment.",
      "Fix the sender. The row does not count."),
  R_VARIANT_MISMATCH(
      ERROR,
      true,
      "The variant that the user saw is not the assigned variant.",
      "Check caches and redirects between assignment and delivery."),
  R_VARIANT_NULL(
      WARNING,
      true,
      "An exposure does not name the variant that the user saw.",
      "Make the client send variant_id with every exposure."),
  R_NO_CONTROL(
      WARNING,
      true,
      "No variant of the experiment is the control.",
      "Set is_control for the variant that the others are compared with."),
  R_MULTI_CONTROL(
      WARNING,
      true,
      "More than one variant of the experiment is the control. Results are compared with the control with the smallest id.",
      "Set is_control for one variant only."),
  R_ALLOCATION_SUM(
      WARNING,
      true,
      "The allocations of the experiment's variants do not add up to 100.",
      "Correct allocation_pct, or set findings.allocations-are-percent: false if only the ratio counts."),
  R_ALLOCATION_CHANGED(
      INFO,
      false,
      "The allocation of an experiment with users was changed. The sample ratio is tested against the allocation in force when each user was assigned.",
      "Nothing, if that was intended. If a wrong allocation was corrected, run ./etl restate --allocation EXPERIMENT: then the present one holds for all users."),
  A_CROSSOVER(
      WARNING,
      true,
      "The user saw more than one variant of the experiment.",
      "Check for users that were merged or assigned twice. statistics.crossover decides whether the user counts."),
  A_REASSIGNED(
      ERROR,
      false,
      "The variants of assignments of an experiment were changed.",
      "Find out what rewrites assignments. The statistics use the new variant."),
  A_DUP_ASSIGNMENT(
      ERROR,
      true,
      "The user already had an assignment in the experiment. The earliest assignment counts.",
      "Find the two services that assign, delete all but the first assignment, and add UNIQUE (experiment_id, user_id)."),
  A_VERSION_SKEW(
      INFO,
      true,
      "The assignment names a version that is newer than the experiment.",
      "Find out why the assigner is ahead of the experiment's row. The assignment counts."),
  A_OVERRIDE(
      INFO,
      true,
      "The assignment was forced or overridden. It is not random and does not count.",
      "Nothing, unless there are many."),
  T_EVENT_BEFORE_ASSIGNMENT(
      WARNING,
      true,
      "The event is earlier than the user's assignment.",
      "Compare the clocks of client and server."),
  T_CONVERSION_BEFORE_EXPOSURE(
      WARNING,
      true,
      "An event of a metric is earlier than the user's first exposure. It does not count.",
      "Check that the client sends the exposure before the events that follow it."),
  T_OUT_OF_WINDOW(
      INFO,
      true,
      "An event of a metric is later than the metric's conversion window. It does not count.",
      "Nothing. To count such events, configure a longer window."),
  T_ENROLLED_BEFORE_ASSIGNED(
      WARNING,
      true,
      "The enrolled_at of the assignment is earlier than its assigned_at.",
      "Compare the clocks of the services that assign and enroll."),
  T_ENROLL_MISMATCH(
      WARNING,
      true,
      "The assignment's enrolled_at and the user's first exposure are further apart than findings.enrolment-tolerance.",
      "Find out which of the two times is wrong. statistics.population decides which one counts."),
  T_ASSIGNMENT_AT_DRIFT(
      WARNING,
      true,
      "The event's assignment_at differs from the assigned_at of the user's assignment by more than findings.clock-tolerance.",
      "Look for clients that keep an old assignment. Correcting the event resolves the finding."),
  T_NOT_RUNNING(
      WARNING,
      true,
      "The event is outside of the experiment's dates, or the experiment was not ACTIVE at that time.",
      "Stop the sender, or correct the dates of the events or the experiment. An event outside of the dates does not count."),
  T_FUTURE(
      ERROR,
      true,
      "The time of the row is later than the commit that wrote it.",
      "Correct the client's clock."),
  T_LATE(
      INFO,
      false,
      "Events arrived after their day had ended. The day was restated.",
      "Nothing. Late events count."),
  T_LATE_BEYOND_STATE(
      ERROR,
      false,
      "A row of a user changed after the user's facts had left the job's state, and ClickHouse did not have these facts any more. The row is delivered. The statistics are unchanged.",
      "Keep rows in ClickHouse for as long as they can change, or increase state.evict-after. ./etl resync recomputes the statistics from the rows that exist."),
  T_OUT_OF_RANGE(
      WARNING,
      true,
      "A time of the row is not inside the years 1900 to 2299, or is infinity. ClickHouse has the nearest time that it can hold: 1900-01-02 00:00:00 or 2299-12-30 23:59:59.999999. The row counts.",
      "Correct the time. For an open end write NULL instead of infinity."),
  D_DUP_EVENT(
      INFO,
      true,
      "An event arrived more than once with the same content. It counts once, at its earliest time.",
      "Nothing, unless there are many. Then look for retries without idempotency."),
  D_CONFLICTING_DUP(
      ERROR,
      true,
      "Two events with different content have the same id. The earliest counts.",
      "Find the sender that reuses ids."),
  S_BAD_PROPERTY(
      ERROR,
      true,
      "A property of a metric is missing, not a number, negative or too large. The event does not count for the metric.",
      "Fix the sender."),
  S_UNPARSEABLE(
      ERROR,
      true,
      "The row or its properties cannot be read.",
      "Correct the row in PostgreSQL: its next change is read again. ./etl dead-letters lists the rows that were not delivered."),
  S_NULL_REQUIRED(
      ERROR,
      true,
      "A required column is NULL.",
      "Fill the column in PostgreSQL, and add the NOT NULL constraint."),
  S_INCOMPLETE_ROW(
      ERROR,
      true,
      "PostgreSQL sent only a part of a row, because its table has no REPLICA IDENTITY FULL. The job compares the table by the rows' keys and applies what the part did not say; with kafka it does not.",
      "ALTER TABLE … REPLICA IDENTITY FULL on the table or partition that the detail names; with kafka, also resync."),
  S_BAD_CONFIG(
      ERROR,
      true,
      "The config of an experiment cannot be used: its zone is not the name of an IANA zone. The experiment's days are those of the default zone.",
      "Write the name of a zone, such as Europe/Berlin, into config.zone, or remove it."),
  S_UNKNOWN_ENUM(
      WARNING,
      true,
      "A column has a value that the product does not know.",
      "Correct the row, or use a release that knows the value."),
  S_UNKNOWN_EVENT_TYPE(
      WARNING,
      false,
      "Events have a type that findings.event-types does not list.",
      "Add the type to the list, or fix the sender."),
  S_SCHEMA_DRIFT(
      WARNING,
      false,
      "A column of a source table is missing, was renamed, or has an unexpected type.",
      "Give the column the name and type of sql/postgres/001_platform.sql. The job then compares the table with ClickHouse, and says what differs."),
  S_NOT_STREAMED(
      ERROR,
      true,
      "Changes of a table do not reach the stream, or not whole: the publication leaves them out, the table is unlogged, has no REPLICA IDENTITY FULL or generates a column, or row security hides rows.",
      "Do what the detail says for the table or partition that it names. By default the job stops while changes are lost; then start it from its last checkpoint."),
  C_UNSTREAMED(
      ERROR,
      true,
      "Rows of a table changed in PostgreSQL without a change in the stream, and differ in ClickHouse. The detail says what happened to the table and how many rows differ.",
      "./etl resync --table TABLE reads the rows again that differ. By default the job stops before; then start it from its last checkpoint."),
  C_DELETE_RETENTION(
      INFO,
      false,
      "Retention deleted a row in PostgreSQL: the row was older than its retention, or the transaction says that it is retention. ClickHouse keeps the row.",
      "Nothing."),
  C_DELETE_ERASURE(
      INFO,
      false,
      "A user was erased. ClickHouse deletes the user's rows, and the statistics are restated.",
      "Nothing."),
  C_DELETE_UNEXPECTED(
      WARNING,
      true,
      "Facts of an experiment were deleted in PostgreSQL before the end of their retention. The statistics are restated.",
      "Find out what deletes facts."),
  C_TRUNCATE(
      WARNING,
      false,
      "A table was truncated in PostgreSQL. ClickHouse deletes the rows that the table held, and the statistics are restated.",
      "If it was a mistake, restore the rows in PostgreSQL. A clean-up calls retention_begin() before its TRUNCATE, and ClickHouse keeps the rows."),
  C_UPDATE_IMMUTABLE(
      WARNING,
      false,
      "Events of an experiment were changed after they were written. The statistics are restated.",
      "Find out what rewrites events."),
  C_LSN_REGRESSION(
      FATAL,
      false,
      "PostgreSQL or Kafka sent changes out of order, or from before the job's position. The job stops without a row in data_inconsistencies.",
      "Read the failure in the Flink web UI: it names the position and what to do. The usual cause is a server restored from a backup, or two jobs on one slot."),
  H_SRM(
      ERROR,
      true,
      "The number of users per variant does not match the allocation in force when they were assigned (sample ratio mismatch). Do not trust the experiment's results.",
      "Stop the experiment and find out what loses or redirects users."),
  H_CROSSOVER_RATE(
      WARNING,
      true,
      "Too many exposed users of the experiment saw more than one variant.",
      "Check for users that were merged or assigned twice, and for caches that deliver another variant."),
  H_MISSING_VARIANT(
      WARNING,
      true,
      "A variant with an allocation has no users, although the other variants have users.",
      "Look for an assigner or a client that does not know the variant, or set its allocation to 0."),
  H_NO_EXPOSURES(
      WARNING,
      true,
      "The experiment is ACTIVE and has no exposed user.",
      "Check that the client sends exposures and that the assigner assigns, or pause the experiment."),
  H_METRIC_MISSING(
      WARNING,
      true,
      "Many users were exposed, and no event of a metric was counted.",
      "Check that the metric's events are sent with the configured event-type."),
  H_VOLUME(
      WARNING,
      true,
      "The last full day had far fewer or far more exposures than the week before.",
      "Look for a release, an outage or a bot on that day."),
  H_FRESHNESS(
      WARNING,
      true,
      "The rows in ClickHouse are too far behind PostgreSQL.",
      "Check in the Flink web UI which operator is busy and whether checkpoints complete."),
  H_OUTLIER(
      WARNING,
      true,
      "A few users have a large share of a metric's sum in a variant.",
      "Look at the users with the largest totals, and configure a cap for the metric."),
  H_BOT(
      WARNING,
      false,
      "A user has more events on a day than a person can cause.",
      "Check whether the user is a bot, and stop its events at the sender."),
  M_STARTED(
      INFO,
      false,
      "A metric was added or restated. It counts users first exposed on or after the day in the detail.",
      "Nothing."),
  M_ENDED(
      INFO,
      false,
      "A metric is no longer configured. Its days keep their values and are not restated any more.",
      "Nothing, if that was intended. To count it again, give it a new name."),
  O_EVENT_WITHOUT_OUTBOX(
      ERROR,
      true,
      "An event whose type requires an outbox row has none. Consumers of the outbox topics miss the event.",
      "Find the service that writes events without their outbox row in the same transaction."),
  O_OUTBOX_WITHOUT_EVENT(
      ERROR,
      true,
      "An outbox row names an event that does not exist.",
      "Find the service that writes outbox rows without their event in the same transaction."),
  O_PAYLOAD_MISMATCH(
      ERROR,
      false,
      "The payload of an outbox row contradicts its event.",
      "Fix the service that writes the payload. The row was relayed unchanged."),
  O_UNKNOWN_SHAPE(
      ERROR,
      true,
      "An outbox row cannot be relayed: its payload has an unknown shape, its aggregate type has no topic, or it is too large.",
      "Correct the row to relay it, or set its processed_at to skip it."),
  O_STUCK(
      WARNING,
      true,
      "An outbox row was relayed and is not acknowledged.",
      "Check that the job, Kafka and PostgreSQL run. Then relay it again: UPDATE outbox_events SET processed_at = NULL WHERE id = …"),
  X_COUNT_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table that are missing in ClickHouse, exist only in ClickHouse, or exist more than once.",
      "./etl verify lists the rows, ./etl resync repairs them, and ./etl verify --record resolves the finding."),
  X_CHECKSUM_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table in ClickHouse that differ from PostgreSQL or from the rows they were computed from.",
      "./etl verify lists the rows, ./etl resync repairs them, and ./etl verify --record resolves the finding."),
  X_AGG_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table that differ from their recomputation from the facts.",
      "./etl verify lists the rows, ./etl resync repairs them, and ./etl verify --record resolves the finding.");

  /** The codes of a row without findings. */
  public static final FindingCode[] NO_CODES = {};

  /**
   * Codes that depend on the state at the time when the row was processed: references that may
   * still have been missing, and the experiment's row.
   */
  private static final Set<FindingCode> DEPENDING_ON_TIMING =
      EnumSet.of(
          R_ORPHAN_USER,
          R_ORPHAN_EXPERIMENT,
          R_ORPHAN_VARIANT,
          R_ORPHAN_ASSIGNMENT,
          T_CONVERSION_BEFORE_EXPOSURE,
          T_NOT_RUNNING,
          T_OUT_OF_WINDOW,
          A_VERSION_SKEW,
          A_DUP_ASSIGNMENT);

  private final String code = name().replace('_', '-');
  private final Severity severity;
  private final boolean resolvable;
  private final String sentence;
  private final String remedy;

  FindingCode(Severity severity, boolean resolvable, String sentence, String remedy) {
    this.severity = severity;
    this.resolvable = resolvable;
    this.sentence = sentence;
    this.remedy = remedy;
  }

  /** The stable code in tables, messages and metrics: the name with hyphens. */
  public String code() {
    return code;
  }

  /** The codes as an array, which records in state and between operators hold. */
  public static FindingCode[] toArray(Set<FindingCode> codes) {
    return codes.isEmpty() ? NO_CODES : codes.toArray(FindingCode[]::new);
  }

  /** The stable codes as text, for messages and tables. */
  public static String[] texts(FindingCode[] codes) {
    String[] texts = new String[codes.length];
    for (int i = 0; i < codes.length; i++) {
      texts[i] = codes[i].code;
    }
    return texts;
  }

  /**
   * The finding code with the given stable code.
   *
   * @throws IllegalArgumentException no code has this text
   */
  public static FindingCode ofCode(String code) {
    return valueOf(code.replace('-', '_'));
  }

  public Severity severity() {
    return severity;
  }

  /** Whether a later change can resolve a finding of this kind. */
  public boolean resolvable() {
    return resolvable;
  }

  /** Whether the same row, read again after a restart, may carry the code or not. */
  public boolean dependsOnTiming() {
    return DEPENDING_ON_TIMING.contains(this);
  }

  /** The inconsistency in plain sentences. */
  public String sentence() {
    return sentence;
  }

  /** The remedy. */
  public String remedy() {
    return remedy;
  }
}
