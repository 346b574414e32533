package io.experimentetl.model;

/**
 * A row of {@code assignments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param source the platform's enum as text: hash, override, forced, api
 * @param context JSON text, or null
 * @param enrolledAt null: not enrolled
 * @param sourceId the source's own id where {@code id} is a number made for it, or null
 */
public record AssignmentRow(
    long id,
    long experimentId,
    String userId,
    long variantId,
    int version,
    String source,
    String context,
    long assignedAt,
    Long enrolledAt,
    long createdAt,
    long updatedAt,
    String sourceId)
    implements SourceRow {
  public static final RowColumns<AssignmentRow> COLUMNS =
      RowColumns.<AssignmentRow>declare()
          .key("id", ColumnType.BIGINT, AssignmentRow::id)
          .key("experiment_id", ColumnType.BIGINT, AssignmentRow::experimentId)
          .key("user_id", ColumnType.TEXT, AssignmentRow::userId)
          .required("variant_id", ColumnType.BIGINT, AssignmentRow::variantId)
          .required("version", ColumnType.INT, AssignmentRow::version)
          .required("source", ColumnType.LABEL, AssignmentRow::source)
          .nullable("context", ColumnType.JSON, AssignmentRow::context)
          .required("assigned_at", ColumnType.TIMESTAMP, AssignmentRow::assignedAt)
          .nullable("enrolled_at", ColumnType.TIMESTAMP, AssignmentRow::enrolledAt)
          .required("created_at", ColumnType.TIMESTAMP, AssignmentRow::createdAt)
          .required("updated_at", ColumnType.TIMESTAMP, AssignmentRow::updatedAt)
          .optional(SourceTable.SOURCE_ID, ColumnType.TEXT, AssignmentRow::sourceId)
          .read(AssignmentRow::read);

  /** A row with the source's own id. */
  public AssignmentRow(
      long id,
      long experimentId,
      String userId,
      long variantId,
      int version,
      String source,
      String context,
      long assignedAt,
      Long enrolledAt,
      long createdAt,
      long updatedAt) {
    this(
        id,
        experimentId,
        userId,
        variantId,
        version,
        source,
        context,
        assignedAt,
        enrolledAt,
        createdAt,
        updatedAt,
        null);
  }

  private static AssignmentRow read(RowCursor row) {
    return new AssignmentRow(
        row.bigint("id"),
        row.bigint("experiment_id"),
        row.text("user_id"),
        row.bigint("variant_id"),
        row.integer("version"),
        row.text("source"),
        row.text("context"),
        row.micros("assigned_at"),
        row.microsOrNull("enrolled_at"),
        row.micros("created_at"),
        row.micros("updated_at"),
        row.text(SourceTable.SOURCE_ID));
  }

  @Override
  public AssignmentRow ofDelete() {
    return new AssignmentRow(
        id,
        experimentId,
        userId,
        variantId,
        version,
        source,
        null,
        assignedAt,
        enrolledAt,
        createdAt,
        updatedAt,
        sourceId);
  }

  /** The same assignment of another user. */
  public AssignmentRow withUserId(String other) {
    return new AssignmentRow(
        id,
        experimentId,
        other,
        variantId,
        version,
        source,
        context,
        assignedAt,
        enrolledAt,
        createdAt,
        updatedAt,
        sourceId);
  }
}
