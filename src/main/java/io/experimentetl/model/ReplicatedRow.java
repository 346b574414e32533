package io.experimentetl.model;

/**
 * A row of a table that is copied as it is.
 *
 * @param key the table's name in ClickHouse and the values of its sorting key, as one text: see
 *     {@code KeyText}
 * @param table the table's name in ClickHouse
 * @param columns the names of the source's columns, as a {@link TextList}; rows of one version of
 *     the table share it
 * @param values of these columns, as PostgreSQL prints them, as a {@link TextList}; empty: of the
 *     row only the key is known
 * @param revision how far its version is above the one of the source's change; null: it is that one
 */
public record ReplicatedRow(String key, String table, String columns, String values, Long revision)
    implements SourceRow {
  public static final String KEY = "key";
  public static final String TABLE = "table";
  public static final String NAMES = "columns";
  public static final String VALUES = "values";
  private static final String REVISION = "revision";

  public static final RowColumns<ReplicatedRow> COLUMNS =
      RowColumns.<ReplicatedRow>declare()
          .key(KEY, ColumnType.TEXT, ReplicatedRow::key)
          .required(TABLE, ColumnType.LABEL, ReplicatedRow::table)
          .required(NAMES, ColumnType.LABEL, ReplicatedRow::columns)
          .required(VALUES, ColumnType.TEXT, ReplicatedRow::values)
          .optional(REVISION, ColumnType.BIGINT, ReplicatedRow::revision)
          .read(ReplicatedRow::read);

  private static ReplicatedRow read(RowCursor row) {
    return new ReplicatedRow(
        row.text(KEY),
        row.text(TABLE),
        row.text(NAMES),
        row.text(VALUES),
        row.bigintOrNull(REVISION));
  }

  /** A row as the source sent it. */
  public ReplicatedRow(String key, String table, String columns, String values) {
    this(key, table, columns, values, null);
  }

  /** The same in a version that is above the one of the source's change. */
  public ReplicatedRow revised(long by) {
    return new ReplicatedRow(key, table, columns, values, by);
  }

  /** A row of which only the key is known. */
  public static ReplicatedRow ofKey(String key, String table) {
    return new ReplicatedRow(key, table, "", "");
  }
}
