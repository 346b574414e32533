package io.experimentetl.model;

import java.time.LocalDate;
import java.util.Comparator;

/**
 * The subject of a finding. Code and subject identify a finding. Only this class writes and parses
 * keys.
 *
 * @param key identifies one subject of its kind; {@link SubjectKind} says how it is written
 */
public record Subject(SubjectKind kind, String key) implements Comparable<Subject> {
  private static final Comparator<Subject> ORDER =
      Comparator.comparing((Subject subject) -> subject.kind().text()).thenComparing(Subject::key);

  /** Separates an event's id from its time. */
  private static final char AT = '@';

  /** One event; the time is in microseconds since 1970 in UTC. */
  public static Subject event(EventId id, long occurredAt) {
    return unreadableEvent(id, occurredAt);
  }

  public static Subject eventType(String eventType) {
    return new Subject(SubjectKind.EVENT_TYPE, eventType);
  }

  public static Subject assignment(long id) {
    return new Subject(SubjectKind.ASSIGNMENT, Long.toString(id));
  }

  public static Subject user(String userId) {
    return new Subject(SubjectKind.USER, userId);
  }

  public static Subject experimentUser(long experimentId, String userId) {
    return new Subject(SubjectKind.EXPERIMENT_USER, experimentId + "/" + userId);
  }

  public static Subject experiment(long id) {
    return new Subject(SubjectKind.EXPERIMENT, Long.toString(id));
  }

  public static Subject experimentDay(long experimentId, LocalDate day) {
    return new Subject(SubjectKind.EXPERIMENT_DAY, experimentId + "/" + day);
  }

  public static Subject experimentMetric(long experimentId, String metric) {
    return new Subject(SubjectKind.EXPERIMENT_METRIC, experimentId + "/" + metric);
  }

  public static Subject experimentVariant(long experimentId, long variantId) {
    return new Subject(SubjectKind.EXPERIMENT_VARIANT, experimentId + "/" + variantId);
  }

  /**
   * Rows of an experiment that were corrected together.
   *
   * @param lsn of the first change
   */
  public static Subject experimentChange(long experimentId, long lsn) {
    return new Subject(SubjectKind.EXPERIMENT_CHANGE, experimentId + "/" + Lsn.print(lsn));
  }

  public static Subject variant(long id) {
    return new Subject(SubjectKind.VARIANT, Long.toString(id));
  }

  public static Subject metric(String name) {
    return new Subject(SubjectKind.METRIC, name);
  }

  public static Subject outboxEvent(long id) {
    return new Subject(SubjectKind.OUTBOX_EVENT, Long.toString(id));
  }

  public static Subject table(String name) {
    return new Subject(SubjectKind.TABLE, name);
  }

  public static Subject sourceTable(SourceTable table) {
    return new Subject(SubjectKind.SOURCE_TABLE, table.tableName());
  }

  public static Subject tableDay(String table, LocalDate day) {
    return new Subject(SubjectKind.TABLE_DAY, table + "/" + day);
  }

  /** A column by the names that it and its table have at the source. */
  public static Subject column(String table, String column) {
    return new Subject(SubjectKind.COLUMN, table + "." + column);
  }

  public static Subject transaction(long txId) {
    return new Subject(SubjectKind.TRANSACTION, Long.toString(txId));
  }

  public static Subject pipeline() {
    return new Subject(SubjectKind.PIPELINE, "");
  }

  /** One record of a source topic. */
  public static Subject kafkaRecord(String topic, int partition, long offset) {
    return new Subject(SubjectKind.KAFKA_RECORD, topic + "/" + partition + AT + offset);
  }

  /**
   * An event that could not be read.
   *
   * @param id null: the id could not be read either
   * @param occurredAt microseconds since 1970 in UTC, or the time as the source sent it
   */
  public static Subject unreadableEvent(EventId id, Object occurredAt) {
    return new Subject(SubjectKind.EVENT, String.valueOf(id) + AT + occurredAt);
  }

  /** A row of a table by its primary key, which for an event is {@code ID@MICROS}. */
  public static Subject row(SourceTable table, String key) {
    return new Subject(table.subjectKind(), key);
  }

  /** A row of a table. */
  public static Subject row(SourceTable table, SourceRow row) {
    if (row instanceof UnreadableRow unreadable) {
      return unreadable.subject();
    }
    return switch (table) {
      case EVENTS -> event(((EventRow) row).id(), ((EventRow) row).occurredAt());
      case ASSIGNMENTS -> assignment(((AssignmentRow) row).id());
      case USERS -> user(((UserRow) row).userId());
      case EXPERIMENTS -> experiment(((ExperimentRow) row).id());
      case VARIANTS -> variant(((VariantRow) row).id());
      case OUTBOX_EVENTS -> outboxEvent(((OutboxRow) row).id());
      case REPLICATED -> row(table, ((ReplicatedRow) row).key());
      case ETL_HEARTBEAT -> row(table, ((HeartbeatRow) row).writer());
    };
  }

  /** The id of the event; null if the subject is not an event or its id is NULL. */
  public EventId eventId() {
    int at = key.lastIndexOf(AT);
    boolean named = kind == SubjectKind.EVENT && at > 0 && !key.startsWith("null" + AT);
    return named ? EventId.of(key.substring(0, at)) : null;
  }

  /** The key of an event with the source's own id instead of the UUID. */
  public String keyWithId(String ownId) {
    return ownId + key.substring(key.lastIndexOf(AT));
  }

  /**
   * When the event occurred, microseconds since 1970 in UTC; null if the subject is not an event or
   * its time at the source could not be read.
   */
  public Long occurredAt() {
    if (kind != SubjectKind.EVENT) {
      return null;
    }
    try {
      return Long.valueOf(key.substring(key.lastIndexOf(AT) + 1));
    } catch (NumberFormatException unreadable) {
      return null;
    }
  }

  /** Orders by kind, then by key, as {@code data_inconsistencies} does. */
  @Override
  public int compareTo(Subject other) {
    return ORDER.compare(this, other);
  }

  /** {@code KIND:KEY}, as {@code data_inconsistencies.subject} shows it. */
  @Override
  public String toString() {
    return kind.text() + ":" + key;
  }
}
