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
 */
public record ReplicatedRow(String key, String table, String columns, String values)
    implements SourceRow {
  public static final String KEY = "key";
  public static final String TABLE = "table";
  public static final String NAMES = "columns";
  public static final String VALUES = "values";

  public static final RowColumns<ReplicatedRow> COLUMNS =
      RowColumns.<ReplicatedRow>declare()
          .key(KEY, ColumnType.TEXT, ReplicatedRow::key)
          .required(TABLE, ColumnType.LABEL, ReplicatedRow::table)
          .required(NAMES, ColumnType.LABEL, ReplicatedRow::columns)
          .required(VALUES, ColumnType.TEXT, ReplicatedRow::values)
          .read(ReplicatedRow::read);

  private static ReplicatedRow read(RowCursor row) {
    return new ReplicatedRow(row.text(KEY), row.text(TABLE), row.text(NAMES), row.text(VALUES));
  }

  /** A row of which only the key is known. */
  public static ReplicatedRow ofKey(String key, String table) {
    return new ReplicatedRow(key, table, "", "");
  }
}
