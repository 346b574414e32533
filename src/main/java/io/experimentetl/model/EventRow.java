package io.experimentetl.model;

/**
 * A row of {@code events}; its key is (id, occurredAt). Timestamps are microseconds since 1970 in
 * UTC.
 *
 * @param occurredAt the column {@code timestamp}: the client's clock
 * @param variantId the variant that was delivered, or null
 * @param assignmentAt null: not known to the client
 * @param properties JSON text, or null
 * @param fact the name of the row's table among {@code source.tables.facts}; null: another table
 */
public record EventRow(
    EventId id,
    long occurredAt,
    long experimentId,
    String userId,
    Long variantId,
    String eventType,
    Long assignmentAt,
    String properties,
    String sessionId,
    String requestId,
    String deviceId,
    String fact)
    implements SourceRow {
  /**
   * In place of an experiment's id, of a table with {@code experiment: assigned}: the event names
   * no experiment, and counts in every experiment of its user.
   */
  public static final long SHARED = 0;

  public static final RowColumns<EventRow> COLUMNS =
      RowColumns.<EventRow>declare()
          .key("id", ColumnType.EVENT_ID, EventRow::id)
          .key("timestamp", ColumnType.TIMESTAMP, EventRow::occurredAt)
          .key("experiment_id", ColumnType.BIGINT, EventRow::experimentId)
          .key("user_id", ColumnType.TEXT, EventRow::userId)
          .nullable("variant_id", ColumnType.BIGINT, EventRow::variantId)
          .required("event_type", ColumnType.LABEL, EventRow::eventType)
          .nullable("assignment_at", ColumnType.TIMESTAMP, EventRow::assignmentAt)
          .nullable("properties", ColumnType.JSON, EventRow::properties)
          .nullable("session_id", ColumnType.TEXT, EventRow::sessionId)
          .nullable("request_id", ColumnType.TEXT, EventRow::requestId)
          .optional("device_id", ColumnType.TEXT, EventRow::deviceId)
          .optional(SourceTable.FACT, ColumnType.TEXT, EventRow::fact)
          .read(EventRow::read);

  private static EventRow read(RowCursor row) {
    return new EventRow(
        row.eventId("id"),
        row.micros("timestamp"),
        row.bigint("experiment_id"),
        row.text("user_id"),
        row.bigintOrNull("variant_id"),
        row.text("event_type"),
        row.microsOrNull("assignment_at"),
        row.text("properties"),
        row.text("session_id"),
        row.text("request_id"),
        row.text("device_id"),
        row.text(SourceTable.FACT));
  }

  /** A deleted event, of which only the key is known. */
  public static EventRow ofKey(EventId id, long occurredAt, long experimentId, String userId) {
    return new EventRow(
        id, occurredAt, experimentId, userId, null, "", null, null, null, null, null, null);
  }

  @Override
  public EventRow ofDelete() {
    return new EventRow(
        id,
        occurredAt,
        experimentId,
        userId,
        variantId,
        eventType,
        null,
        null,
        null,
        null,
        null,
        fact);
  }

  /** The same event of another user. */
  public EventRow withUserId(String other) {
    return new EventRow(
        id,
        occurredAt,
        experimentId,
        other,
        variantId,
        eventType,
        assignmentAt,
        properties,
        sessionId,
        requestId,
        deviceId,
        fact);
  }
}
