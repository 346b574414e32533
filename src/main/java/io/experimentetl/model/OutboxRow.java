package io.experimentetl.model;

/**
 * A row of {@code outbox_events}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param payload JSON text in one of the platform's shapes
 * @param processedAt null: not relayed yet
 */
public record OutboxRow(
    long id,
    String aggregateId,
    String aggregateType,
    String eventType,
    String payload,
    long createdAt,
    Long processedAt)
    implements SourceRow {
  public static final RowColumns<OutboxRow> COLUMNS =
      RowColumns.<OutboxRow>declare()
          .key("id", ColumnType.BIGINT, OutboxRow::id)
          .required("aggregate_id", ColumnType.TEXT, OutboxRow::aggregateId)
          .required("aggregate_type", ColumnType.LABEL, OutboxRow::aggregateType)
          .required("event_type", ColumnType.LABEL, OutboxRow::eventType)
          .required("payload", ColumnType.JSON, OutboxRow::payload)
          .required("created_at", ColumnType.TIMESTAMP, OutboxRow::createdAt)
          .nullable("processed_at", ColumnType.TIMESTAMP, OutboxRow::processedAt)
          .read(OutboxRow::read);

  private static OutboxRow read(RowCursor row) {
    return new OutboxRow(
        row.bigint("id"),
        row.text("aggregate_id"),
        row.text("aggregate_type"),
        row.text("event_type"),
        row.text("payload"),
        row.micros("created_at"),
        row.microsOrNull("processed_at"));
  }
}
