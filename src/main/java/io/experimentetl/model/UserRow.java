package io.experimentetl.model;

/**
 * A row of {@code users}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param properties JSON text (country, platform, plan …), or null
 */
public record UserRow(
    String userId,
    String email,
    String name,
    String properties,
    boolean active,
    long createdAt,
    long updatedAt)
    implements SourceRow {
  public static final RowColumns<UserRow> COLUMNS =
      RowColumns.<UserRow>declare()
          .key("user_id", ColumnType.TEXT, UserRow::userId)
          .nullable("email", ColumnType.TEXT, UserRow::email)
          .nullable("name", ColumnType.TEXT, UserRow::name)
          .nullable("properties", ColumnType.JSON, UserRow::properties)
          .required("is_active", ColumnType.BOOL, UserRow::active)
          .required("created_at", ColumnType.TIMESTAMP, UserRow::createdAt)
          .required("updated_at", ColumnType.TIMESTAMP, UserRow::updatedAt)
          .read(UserRow::read);

  private static UserRow read(RowCursor row) {
    return new UserRow(
        row.text("user_id"),
        row.text("email"),
        row.text("name"),
        row.text("properties"),
        row.bool("is_active"),
        row.micros("created_at"),
        row.micros("updated_at"));
  }

  /** The same user with another id. */
  public UserRow withUserId(String id) {
    return new UserRow(id, email, name, properties, active, createdAt, updatedAt);
  }
}
