package io.experimentetl.model;

import static io.experimentetl.model.Severity.ERROR;
import static io.experimentetl.model.Severity.INFO;
import static io.experimentetl.model.Severity.WARNING;

import java.util.Set;

/** The closed vocabulary of inconsistencies. A code, once released, keeps its meaning for ever. */
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
      "Create the variant, or correct the sender."),
  R_ORPHAN_USER(
      WARNING,
      true,
      "The row names a user that does not exist.",
      "Create the user; the row counts without user properties until then."),
  R_ORPHAN_ASSIGNMENT(
      ERROR,
      true,
      "The event's user has no assignment in the experiment.",
      "Find out why the assigner did not store it; the user is not counted until it does."),
  R_VARIANT_NOT_IN_EXPERIMENT(
      ERROR,
      false,
      "The variant belongs to another experiment.",
      "Correct the sender; the row is not counted."),
  R_VARIANT_MISMATCH(
      ERROR,
      false,
      "The delivered variant is not the assigned one.",
      "Look for caches and redirects between assignment and delivery."),
  R_VARIANT_NULL(
      WARNING,
      true,
      "An exposure does not say which variant was delivered.",
      "Let the client send variant_id with every exposure."),
  A_CROSSOVER(
      WARNING,
      true,
      "The user was seen in more than one variant of the experiment.",
      "Look for identities that are merged or assigned twice; the policy decides whether the user counts."),
  A_REASSIGNED(
      ERROR,
      false,
      "The assignment's variant was changed after it was made.",
      "Find what rewrites assignments; the statistics follow the newest."),
  A_DUP_ASSIGNMENT(
      ERROR,
      false,
      "The user had an assignment in the experiment already; the earliest counts.",
      "Find the two services that assign, delete all but the first, and add UNIQUE (experiment_id, user_id)."),
  A_VERSION_SKEW(
      INFO,
      false,
      "The assignment names a version that its experiment does not have.",
      "Find out why the assigner is ahead of the experiment's row; the assignment counts."),
  A_OVERRIDE(
      INFO,
      false,
      "The assignment was forced or overridden: it is not random and does not count.",
      "Nothing, unless there are many."),
  T_EVENT_BEFORE_ASSIGNMENT(
      WARNING,
      false,
      "The event is older than the user's assignment.",
      "Compare the clocks of client and server."),
  T_CONVERSION_BEFORE_EXPOSURE(
      WARNING,
      true,
      "A metric's event is older than the user's first exposure and does not count.",
      "Check that exposures are sent before what they may cause."),
  T_OUT_OF_WINDOW(
      INFO,
      false,
      "A metric's event is later than the metric's window allows and does not count.",
      "Nothing; for more of them to count, declare a longer window."),
  T_ENROLLED_BEFORE_ASSIGNED(
      WARNING,
      false,
      "The assignment's enrolled_at is before its assigned_at.",
      "Compare the clocks of who assigns and who enrols."),
  T_ENROLL_MISMATCH(
      WARNING,
      true,
      "The assignment's enrolled_at and the user's first exposure are more than an hour apart.",
      "Find out which of the two the platform sets wrongly; statistics.population says which one counts."),
  T_ASSIGNMENT_AT_DRIFT(
      WARNING,
      true,
      "The event's assignment_at is more than a second from the assigned_at of the user's assignment.",
      "Look for clients that keep an old assignment; correct the event, and the finding closes."),
  T_NOT_RUNNING(
      WARNING,
      false,
      "The event's time lies outside of the experiment's dates, or its status was not ACTIVE then.",
      "Stop the sender, or correct the dates; outside of the dates an event does not count."),
  T_FUTURE(
      ERROR, false, "The event's time lies after its own commit.", "Correct the client's clock."),
  T_LATE(
      INFO,
      false,
      "Events arrived after their day had ended; the day was restated.",
      "Nothing: late events are counted."),
  T_LATE_BEYOND_STATE(
      ERROR,
      false,
      "A row was changed whose user's facts had settled, and ClickHouse did not have these any more: the row is delivered, the statistics stay as they were.",
      "Keep rows in ClickHouse for longer than users' rows may change, or set a longer state.evict-after; ./etl resync counts what is there."),
  D_DUP_EVENT(
      INFO,
      false,
      "An event came more than once, with the same content; it counts once, at its earliest time.",
      "Nothing, unless there are many: look for retries without idempotency."),
  D_CONFLICTING_DUP(
      ERROR,
      false,
      "Two events with different content have the same id; the earliest counts.",
      "Find the sender that reuses ids."),
  S_BAD_PROPERTY(
      ERROR,
      false,
      "A metric's property is missing, not a number, negative, or too large; the event does not count for it.",
      "Correct the sender."),
  S_UNPARSEABLE(
      ERROR,
      true,
      "The row, or its properties, cannot be read.",
      "Correct the row at the source: it is read again when it changes; ./etl dead-letters lists such rows."),
  S_NULL_REQUIRED(
      ERROR,
      true,
      "A column that must have a value is NULL.",
      "Fill the column at the source, and add its NOT NULL constraint."),
  S_UNKNOWN_ENUM(
      WARNING,
      false,
      "A column holds a value that its enumeration does not know.",
      "Add the value to the product's list, or correct the row."),
  S_UNKNOWN_EVENT_TYPE(
      WARNING,
      false,
      "Events have a type that is not in findings.event-types.",
      "Add the type to the list, or correct the sender."),
  S_SCHEMA_DRIFT(
      WARNING,
      false,
      "A table's column is unknown to the product, missing, or of another type.",
      "Nothing, if the column is only unknown: it is not read; else give the column what sql/postgres/001_platform.sql has there."),
  C_DELETE_RETENTION(
      INFO,
      false,
      "A row older than its retention was deleted at the source; the warehouse keeps it.",
      "Nothing."),
  C_DELETE_ERASURE(
      INFO,
      false,
      "A user was erased; the warehouse forgets the user and the statistics are restated.",
      "Nothing."),
  C_DELETE_UNEXPECTED(
      WARNING,
      false,
      "A row inside its retention was deleted at the source; the statistics are restated.",
      "Find who deletes facts."),
  C_UPDATE_IMMUTABLE(
      WARNING,
      false,
      "An event was changed after it was written; the statistics are restated.",
      "Find who rewrites events."),
  H_SRM(
      ERROR,
      true,
      "The users per variant do not fit the allocation (sample ratio mismatch): the experiment's numbers can't be trusted.",
      "Stop the experiment and look for what loses or steers users."),
  H_CROSSOVER_RATE(
      WARNING,
      true,
      "Too many of the experiment's exposed users were seen in more than one variant.",
      "Look for identities that are merged or assigned twice, and for caches that deliver another variant."),
  H_MISSING_VARIANT(
      WARNING,
      true,
      "A variant that should get users has none, although the others have.",
      "Look for an assigner or a client that does not know the variant, or set its allocation to 0."),
  H_NO_EXPOSURES(
      WARNING,
      true,
      "The experiment is ACTIVE, and no user has entered it.",
      "Look whether the client sends exposures and the assigner assigns; or pause the experiment."),
  H_METRIC_MISSING(
      WARNING,
      true,
      "Many users were exposed, and no event of a metric was counted.",
      "Look whether the metric's events are sent, and under the declared event-type."),
  H_VOLUME(
      WARNING,
      true,
      "The last full day brought far fewer, or far more, exposures than the week before it.",
      "Look for a release, an outage or a bot on that day."),
  H_FRESHNESS(
      WARNING,
      true,
      "What is visible lags behind the source.",
      "Look in the Flink web UI what is busy, and whether checkpoints complete."),
  H_OUTLIER(
      WARNING,
      true,
      "One user, or a few, hold a large share of a metric's sum in a variant.",
      "Look at the greatest users; declare a cap for the metric."),
  H_BOT(
      WARNING,
      false,
      "A user has more events on a day than a person makes.",
      "Look whether it is a bot, and keep its events out at the sender."),
  R_NO_CONTROL(
      WARNING,
      true,
      "No variant of the experiment is the control.",
      "Set is_control for the variant that the others are compared with."),
  R_MULTI_CONTROL(
      WARNING,
      true,
      "More than one variant of the experiment is the control; results compare with the one of the least id.",
      "Set is_control for one variant only."),
  R_ALLOCATION_SUM(
      WARNING,
      true,
      "The allocations of the experiment's variants don't add up to 100.",
      "Correct allocation_pct: the sample ratio is tested against it."),
  M_STARTED(
      INFO,
      false,
      "A metric was added or restated: it counts users first exposed on or after the day named in the detail.",
      "Nothing."),
  M_ENDED(
      INFO,
      false,
      "A metric is not configured any more: its days stay as they were, and are no longer restated.",
      "Nothing, if that was meant; to count it again, give it a new name."),
  O_EVENT_WITHOUT_OUTBOX(
      ERROR,
      true,
      "An event of a type that needs one has no outbox row: who reads the outbox's topics misses it.",
      "Find the service that writes events without their outbox row in the same transaction."),
  O_OUTBOX_WITHOUT_EVENT(
      ERROR,
      true,
      "An outbox row tells of an event that does not exist.",
      "Find the service that writes outbox rows without their event in the same transaction."),
  O_PAYLOAD_MISMATCH(
      ERROR,
      false,
      "An outbox row's payload and its event say different things.",
      "Correct the service that writes the payload; the row was relayed as it is."),
  O_UNKNOWN_SHAPE(
      ERROR,
      false,
      "An outbox row can't be relayed: its payload has no known shape, its aggregate type no topic, or it is too large.",
      "Correct the row, and it is relayed; or set its processed_at to give it up."),
  O_STUCK(
      WARNING,
      true,
      "An outbox row was relayed and is not acknowledged.",
      "Look whether the job, Kafka and PostgreSQL run; then UPDATE outbox_events SET processed_at = NULL WHERE id = … relays it again."),
  X_COUNT_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table that ClickHouse lacks, that only ClickHouse has, or that stand there more than once.",
      "./etl verify names them, ./etl resync repairs them; ./etl verify --record closes the finding."),
  X_CHECKSUM_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table in ClickHouse that differ from PostgreSQL's, or from what they were made of.",
      "./etl verify names them, ./etl resync repairs them; ./etl verify --record closes the finding."),
  X_AGG_MISMATCH(
      ERROR,
      true,
      "The audit found rows of the table that differ from their recomputation from the facts.",
      "./etl verify names them, ./etl resync repairs them; ./etl verify --record closes the finding.");

  /** The codes of a row in good order. */
  public static final FindingCode[] NO_CODES = {};

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

  /** The stable code on the wire and in the tables: the name with hyphens. */
  public String code() {
    return code;
  }

  /** The codes as an array, which records in state and between operators hold. */
  public static FindingCode[] toArray(Set<FindingCode> codes) {
    return codes.isEmpty() ? NO_CODES : codes.toArray(FindingCode[]::new);
  }

  /** The stable codes as text, for the wire and the tables. */
  public static String[] texts(FindingCode[] codes) {
    String[] texts = new String[codes.length];
    for (int i = 0; i < codes.length; i++) {
      texts[i] = codes[i].code;
    }
    return texts;
  }

  /**
   * The kind with the given stable code.
   *
   * @throws IllegalArgumentException where there is none
   */
  public static FindingCode ofCode(String code) {
    return valueOf(code.replace('-', '_'));
  }

  public Severity severity() {
    return severity;
  }

  /** Whether a finding of this kind can be closed by what arrives later. */
  public boolean resolvable() {
    return resolvable;
  }

  /** What is wrong, in one plain sentence. */
  public String sentence() {
    return sentence;
  }

  /** What to do about it. */
  public String remedy() {
    return remedy;
  }
}
