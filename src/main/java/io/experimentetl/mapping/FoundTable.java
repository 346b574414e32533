package io.experimentetl.mapping;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A table of the source as PostgreSQL's catalogue describes it. It holds no row's content.
 *
 * @param keys the columns of each key: the primary key first, then unique indexes without NULLs
 * @param references the foreign keys of one column
 */
public record FoundTable(
    String schema,
    String name,
    List<Column> columns,
    List<List<String>> keys,
    List<Reference> references) {
  private static final String COLUMNS =
      """
      SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), t.typcategory::text, t.typname, a.attnotnull,
        ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      ORDER BY n.nspname, c.relname, a.attnum""";

  /** The primary key first, then the index with the fewest columns. */
  private static final String KEYS =
      """
      SELECT n.nspname, c.relname,
        ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int[]) WITH ORDINALITY k (number, position)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.position)
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)
      ORDER BY n.nspname, c.relname, i.indisprimary DESC, i.indnatts, i.indexrelid""";

  private static final String REFERENCES =
      """
      SELECT n.nspname, c.relname, a.attname, rn.nspname, rc.relname, ra.attname
      FROM pg_constraint f
      JOIN pg_class c ON c.oid = f.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
      JOIN pg_class rc ON rc.oid = f.confrelid
      JOIN pg_namespace rn ON rn.oid = rc.relnamespace
      JOIN pg_attribute ra ON ra.attrelid = rc.oid AND ra.attnum = f.confkey[1]
      WHERE f.contype = 'f' AND cardinality(f.conkey) = 1
      ORDER BY n.nspname, c.relname, a.attnum""";

  /** What a column can be read as. */
  public enum Kind {
    INTEGER,
    NUMBER,
    TEXT,
    UUID,
    BOOL,
    TIME,
    JSON,
    OTHER
  }

  /**
   * A column.
   *
   * @param type as PostgreSQL prints it
   * @param labels those of an enum; empty: another type
   */
  public record Column(String name, String type, Kind kind, boolean notNull, List<String> labels) {}

  /** A foreign key of one column. */
  public record Reference(String column, String schema, String table, String referenced) {}

  private record Name(String schema, String table) {}

  /** The column of that name. */
  public Optional<Column> column(String wanted) {
    return columns.stream().filter(column -> column.name.equals(wanted)).findFirst();
  }

  /** Whether it is the table of that name. */
  public boolean is(String otherSchema, String otherName) {
    return schema.equals(otherSchema) && name.equals(otherName);
  }

  /** The names of its columns, in their order. */
  public List<String> columnNames() {
    return columns.stream().map(Column::name).toList();
  }

  /** Whether these columns identify a row. */
  public boolean isIdentifiedBy(Set<String> names) {
    return keys.stream().anyMatch(names::containsAll);
  }

  /**
   * The ordinary and partitioned tables of the database.
   *
   * @throws SQLException the server does not answer
   */
  public static List<FoundTable> all(Connection connection) throws SQLException {
    Map<Name, List<Column>> columns = new LinkedHashMap<>();
    Map<Name, List<List<String>>> keys = new LinkedHashMap<>();
    Map<Name, List<Reference>> references = new LinkedHashMap<>();
    each(
        connection,
        COLUMNS,
        row ->
            columns
                .computeIfAbsent(name(row), none -> new ArrayList<>())
                .add(
                    new Column(
                        row.getString(3),
                        row.getString(4),
                        kind(row.getString(5), row.getString(6)),
                        row.getBoolean(7),
                        texts(row, 8))));
    each(
        connection,
        KEYS,
        row -> keys.computeIfAbsent(name(row), none -> new ArrayList<>()).add(texts(row, 3)));
    each(
        connection,
        REFERENCES,
        row ->
            references
                .computeIfAbsent(name(row), none -> new ArrayList<>())
                .add(
                    new Reference(
                        row.getString(3), row.getString(4), row.getString(5), row.getString(6))));
    List<FoundTable> tables = new ArrayList<>();
    columns.forEach(
        (name, found) ->
            tables.add(
                new FoundTable(
                    name.schema,
                    name.table,
                    List.copyOf(found),
                    keys.getOrDefault(name, List.of()),
                    references.getOrDefault(name, List.of()))));
    return tables;
  }

  /** By PostgreSQL's categories of types, which hold domains and types of extensions too. */
  private static Kind kind(String category, String type) {
    return switch (type) {
      case "int2", "int4", "int8" -> Kind.INTEGER;
      case "numeric", "float4", "float8" -> Kind.NUMBER;
      case "uuid" -> Kind.UUID;
      case "json", "jsonb" -> Kind.JSON;
      case "timestamptz", "timestamp", "date" -> Kind.TIME;
      default ->
          switch (category) {
            case "S", "E" -> Kind.TEXT;
            case "B" -> Kind.BOOL;
            case "N" -> Kind.NUMBER;
            default -> Kind.OTHER;
          };
    };
  }

  private static Name name(ResultSet row) throws SQLException {
    return new Name(row.getString(1), row.getString(2));
  }

  private static List<String> texts(ResultSet row, int index) throws SQLException {
    return List.of((String[]) row.getArray(index).getArray());
  }

  private interface RowReader {
    void read(ResultSet row) throws SQLException;
  }

  private static void each(Connection connection, String sql, RowReader reader)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql);
        ResultSet rows = statement.executeQuery()) {
      while (rows.next()) {
        reader.read(rows);
      }
    }
  }
}
