package io.experimentetl.cdc;

import io.experimentetl.cdc.SourceCatalogue.Membership;
import io.experimentetl.cdc.SourceCatalogue.Publication;
import io.experimentetl.cdc.SourceCatalogue.Relation;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Reads a {@link SourceCatalogue}. The queries read only catalogue tables, whose rows no DDL locks,
 * so a long ALTER TABLE does not hold them up. They work on PostgreSQL 14 to 18: a column that a
 * version does not have is read through {@code to_jsonb}, which gives NULL.
 */
final class CatalogueQuery {
  private static final String PUBLICATION =
      """
      SELECT oid::text, xmin::text, pubinsert AND pubupdate AND pubdelete, pubviaroot,
        coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's'
      FROM pg_publication p
      WHERE pubname = ?""";

  /** pg_inherits instead of pg_partition_tree, which would wait for locks on the partitions. */
  private static final String RELATIONS =
      """
      WITH RECURSIVE members AS
      (
        SELECT c.oid AS root, n.nspname AS root_schema, c.relname AS root_name, c.oid AS relid, false AS is_partition, '' AS attachment
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN unnest(?::text[], ?::text[]) captured (schema_name, table_name) ON n.nspname = schema_name AND c.relname = table_name
        UNION ALL
        SELECT m.root, m.root_schema, m.root_name, i.inhrelid, true, i.xmin::text
        FROM members m JOIN pg_inherits i ON i.inhparent = m.relid
      ),
      published AS (SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = ?)
      SELECT m.root_schema, m.root_name, n.nspname, c.oid::bigint, c.relname, m.is_partition, m.attachment, pg_get_expr(c.relpartbound, c.oid),
        EXISTS (SELECT FROM published p WHERE p.schemaname = m.root_schema AND p.tablename = m.root_name),
        coalesce(r.oid::text || ' ' || r.xmin::text, ''),
        to_jsonb(r) ->> 'prqual' IS NOT NULL, to_jsonb(r) ->> 'prattrs' IS NOT NULL,
        c.relreplident = 'f', c.relpersistence <> 'p', row_security_active(c.oid), c.relfilenode::bigint,
        a.names, a.numbers, a.generated
      FROM members m
      JOIN pg_class c ON c.oid = m.relid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_publication_rel r
        ON r.prrelid = m.root AND r.prpubid = (SELECT oid FROM pg_publication WHERE pubname = ?)
      CROSS JOIN LATERAL
      (
        SELECT array_agg(attname::text ORDER BY attnum) AS names, array_agg(attnum::int ORDER BY attnum) AS numbers,
          array_agg(attname::text ORDER BY attnum) FILTER (WHERE attgenerated <> '') AS generated
        FROM pg_attribute
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      ) a
      ORDER BY m.root_schema, m.root_name, m.is_partition, c.relname""";

  private static final String ENUMS =
      """
      SELECT n.nspname, c.relname, a.attname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_enum e ON e.enumtypid = a.atttypid
      JOIN unnest(?::text[], ?::text[]) captured (schema_name, table_name) ON n.nspname = schema_name AND c.relname = table_name
      WHERE a.attnum > 0 AND NOT a.attisdropped
      GROUP BY n.nspname, c.relname, a.attname
      ORDER BY n.nspname, c.relname, a.attname""";

  private CatalogueQuery() {}

  /**
   * Reads the catalogue as one moment shows it.
   *
   * @throws SQLException the server does not answer; close the connection, which may be in a
   *     transaction
   */
  static SourceCatalogue read(Connection connection, PostgresSourceSettings settings)
      throws SQLException {
    connection.setAutoCommit(false);
    connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
    Publication publication = publication(connection, settings);
    SourceCatalogue catalogue =
        new SourceCatalogue(
            publication, relations(connection, settings, publication), enums(connection, settings));
    connection.rollback();
    connection.setAutoCommit(true);
    return catalogue;
  }

  private static Publication publication(Connection connection, PostgresSourceSettings settings)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(PUBLICATION)) {
      statement.setString(1, settings.publication());
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? new Publication(
                row.getString(1),
                row.getString(2),
                row.getBoolean(3),
                row.getBoolean(4),
                row.getBoolean(5))
            : null;
      }
    }
  }

  private static List<Relation> relations(
      Connection connection, PostgresSourceSettings settings, Publication publication)
      throws SQLException {
    List<Relation> relations = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(RELATIONS)) {
      setTables(statement, settings);
      statement.setString(3, settings.publication());
      statement.setString(4, settings.publication());
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          addRelations(rows, settings, publication, relations);
        }
      }
    }
    return relations;
  }

  /** A table that gives several kinds of rows is a relation of each. */
  private static void addRelations(
      ResultSet row,
      PostgresSourceSettings settings,
      Publication publication,
      List<Relation> relations)
      throws SQLException {
    List<TableBinding> bindings = settings.mapping().reading(row.getString(1), row.getString(2));
    Map<SourceTable, Set<String>> read = new TreeMap<>();
    for (TableBinding binding : bindings) {
      read.computeIfAbsent(binding.table(), none -> new HashSet<>())
          .addAll(binding.sourceColumns());
    }
    String name =
        bindings.stream().anyMatch(TableBinding::mapped)
            ? row.getString(3) + "." + row.getString(5)
            : row.getString(5);
    for (Map.Entry<SourceTable, Set<String>> table : read.entrySet()) {
      relations.add(relation(row, table.getKey(), name, table.getValue(), publication));
    }
  }

  private static Relation relation(
      ResultSet row, SourceTable table, String name, Set<String> declared, Publication publication)
      throws SQLException {
    List<String> names = texts(row, 17);
    Integer[] numbers =
        row.getArray(18) == null ? new Integer[0] : (Integer[]) row.getArray(18).getArray();
    Map<String, Integer> columns = new TreeMap<>();
    for (int i = 0; i < names.size(); i++) {
      if (declared.contains(names.get(i))) {
        columns.put(names.get(i), numbers[i]);
      }
    }
    return new Relation(
        table,
        row.getLong(4),
        name,
        row.getBoolean(6),
        row.getString(7),
        row.getString(8),
        row.getBoolean(9),
        new Membership(
            publication == null ? "" : publication.identity(),
            publication == null ? "" : publication.options(),
            row.getString(10)),
        row.getBoolean(11),
        row.getBoolean(12),
        row.getBoolean(13),
        row.getBoolean(14),
        row.getBoolean(15),
        row.getLong(16),
        columns,
        texts(row, 19).stream().filter(declared::contains).toList());
  }

  private static Map<SourceTable, Map<String, List<String>>> enums(
      Connection connection, PostgresSourceSettings settings) throws SQLException {
    Map<SourceTable, Map<String, List<String>>> enums = new TreeMap<>();
    try (PreparedStatement statement = connection.prepareStatement(ENUMS)) {
      setTables(statement, settings);
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          for (TableBinding binding :
              settings.mapping().reading(rows.getString(1), rows.getString(2))) {
            if (binding.sourceColumns().contains(rows.getString(3))) {
              enums
                  .computeIfAbsent(binding.table(), none -> new TreeMap<>())
                  .put(rows.getString(3), texts(rows, 4));
            }
          }
        }
      }
    }
    return enums;
  }

  private static List<String> texts(ResultSet row, int index) throws SQLException {
    return row.getArray(index) == null
        ? List.of()
        : List.of((String[]) row.getArray(index).getArray());
  }

  private static void setTables(PreparedStatement statement, PostgresSourceSettings settings)
      throws SQLException {
    Set<List<String>> seen = new HashSet<>();
    List<TableBinding> tables =
        settings.bindings().stream()
            .filter(binding -> seen.add(List.of(binding.schema(), binding.name())))
            .toList();
    Connection connection = statement.getConnection();
    statement.setArray(
        1, connection.createArrayOf("text", tables.stream().map(TableBinding::schema).toArray()));
    statement.setArray(
        2, connection.createArrayOf("text", tables.stream().map(TableBinding::name).toArray()));
  }
}
