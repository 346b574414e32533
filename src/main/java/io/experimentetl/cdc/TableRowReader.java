package io.experimentetl.cdc;

import io.experimentetl.mapping.RowIdSql;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reads single rows of a captured table by a query, with the values that the stream would send. */
final class TableRowReader extends RowReader<Object[]> {

  /** What PostgreSQL's driver returns of a column, and how a query asks for it. */
  private record Found(ValueFormat format, String expression) {}

  private final Found[] found;
  private final RowIdSql ids;

  /** Reads which columns the table has. */
  TableRowReader(TableBinding binding, SourceMapping mapping, Connection connection)
      throws SQLException {
    super(
        binding.table() == SourceTable.REPLICATED
            ? binding.reading(columnsOf(binding, connection))
            : binding.ofRows());
    ids = new RowIdSql(TableSql.of(connection, binding, mapping));
    found = new Found[sources().size()];
    if (binding.elements() != null) {
      Arrays.setAll(
          found,
          source ->
              new Found(ValueFormat.TEXT, SourceServer.quoted(sources().get(source)) + "::text"));
      bind();
      return;
    }
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT a.attname, coalesce(p.proname, '-')"
                + " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_proc p ON p.oid = t.typsend"
                + " WHERE attrelid = format('%I.%I', ?::text, ?::text)::regclass AND attnum > 0 AND NOT attisdropped")) {
      statement.setString(1, binding.schema());
      statement.setString(2, binding.name());
      try (ResultSet columns = statement.executeQuery()) {
        while (columns.next()) {
          int source = sources().indexOf(columns.getString(1));
          if (source >= 0) {
            found[source] = found(columns.getString(1), columns.getString(2));
          }
        }
      }
    }
    bind();
  }

  /** The columns that the stream sends. */
  private static List<String> columnsOf(TableBinding binding, Connection connection)
      throws SQLException {
    List<String> names = new ArrayList<>();
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT attname FROM pg_attribute WHERE attrelid = format('%I.%I', ?::text, ?::text)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum")) {
      statement.setString(1, binding.schema());
      statement.setString(2, binding.name());
      try (ResultSet columns = statement.executeQuery()) {
        while (columns.next()) {
          names.add(columns.getString(1));
        }
      }
    }
    return names;
  }

  private static Found found(String column, String sendFunction) {
    ValueFormat format = ValueFormat.ofSendFunction(sendFunction);
    String name = SourceServer.quoted(column);
    return new Found(
        format,
        switch (format) {
          case INTEGER, BOOL -> name;
          case TIMESTAMP, TIMESTAMPTZ ->
              ("CASE WHEN isfinite(%1$s) THEN (extract(epoch FROM %1$s) * 1000000)::bigint"
                      + " WHEN %1$s > now() THEN 9223372036854775807"
                      + " WHEN %1$s < now() THEN -9223372036854775808 END")
                  .formatted(name);
          // As the type prints it: a cast may differ.
          case TEXT_ONLY, OTHER ->
              "CASE WHEN %1$s IS DISTINCT FROM NULL THEN format('%%s', %1$s) END".formatted(name);
          default -> name + "::text";
        });
  }

  /**
   * The rows with these primary keys, by key.
   *
   * @param keys see {@link TableComparison#keyOf}
   */
  Map<String, SourceRow> read(Connection connection, Collection<String> keys) throws SQLException {
    Map<String, SourceRow> rows = new HashMap<>();
    List<String> wanted = ids.among(keys.stream().map(this::idOf).distinct().toList());
    if (wanted.isEmpty()) {
      return rows;
    }
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT %s, %s FROM %s WHERE %s"
                .formatted(
                    String.join(", ", expressions()), ids.id(), ids.table(), ids.isOneOf("?")))) {
      statement.setArray(1, connection.createArrayOf("text", wanted.toArray()));
      try (ResultSet result = statement.executeQuery()) {
        while (result.next()) {
          Object[] values = new Object[found.length];
          for (int source = 0; source < values.length; source++) {
            values[source] = result.getObject(source + 1);
          }
          if (match(values, null) != MappedColumn.MappedFilter.Match.NO
              && (binding().holdsRequests() || !erases(values, null))) {
            SourceRow row = read(values, null);
            String key = keyOf(row, result.getString(found.length + 1));
            if (keys.contains(key)) {
              rows.put(key, row);
            }
          }
        }
      }
    }
    return rows;
  }

  /** Variants that name their experiment by id have another number in the warehouse. */
  private String keyOf(SourceRow row, String id) {
    return binding().table() == SourceTable.VARIANTS && id != null
        ? id
        : TableComparison.keyOf(binding().table(), row);
  }

  private String idOf(String key) {
    return binding().table() == SourceTable.EVENTS ? key.substring(0, key.lastIndexOf('@')) : key;
  }

  private List<String> expressions() {
    List<String> expressions = new ArrayList<>();
    for (Found column : found) {
      expressions.add(column == null ? "NULL" : column.expression);
    }
    return expressions;
  }

  /** A query returns every value. */
  @Override
  Object sent(Object[] row, Object[] before, int source) {
    Object value = row[source];
    if (value == null) {
      return null;
    }
    return switch (found[source].format) {
      case TIMESTAMP, TIMESTAMPTZ -> new ValueFormat.Micros((Long) value);
      case FLOAT -> Double.valueOf((String) value);
      default -> value;
    };
  }

  @Override
  boolean has(Object[] row, int source) {
    return found[source] != null;
  }

  @Override
  boolean isAbsent(int source) {
    return found[source] == null;
  }

  @Override
  ValueFormat format(int source) {
    return found[source] == null ? null : found[source].format;
  }

  @Override
  Unit unit(int source) {
    return Unit.NONE;
  }
}
