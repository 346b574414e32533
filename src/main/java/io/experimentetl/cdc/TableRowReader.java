package io.experimentetl.cdc;

import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Reads single rows of a captured table by a query, with the values that the stream would send. */
final class TableRowReader extends RowReader<Object[]> {

  /** What PostgreSQL's driver returns of a column, and how a query asks for it. */
  private record Found(ValueFormat format, String type, String expression) {}

  private final Found[] found;

  /** Reads which columns the table has. */
  TableRowReader(TableBinding binding, Connection connection) throws SQLException {
    super(binding);
    found = new Found[sources().size()];
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT a.attname, format_type(a.atttypid, NULL), coalesce(p.proname, '-')"
                + " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_proc p ON p.oid = t.typsend"
                + " WHERE attrelid = format('%I.%I', ?::text, ?::text)::regclass AND attnum > 0 AND NOT attisdropped")) {
      statement.setString(1, binding.schema());
      statement.setString(2, binding.name());
      try (ResultSet columns = statement.executeQuery()) {
        while (columns.next()) {
          int source = sources().indexOf(columns.getString(1));
          if (source >= 0) {
            found[source] = found(columns.getString(1), columns.getString(2), columns.getString(3));
          }
        }
      }
    }
    bind();
  }

  private static Found found(String column, String type, String sendFunction) {
    ValueFormat format = ValueFormat.ofSendFunction(sendFunction);
    String name = SourceServer.quoted(column);
    return new Found(
        format,
        type,
        switch (format) {
          case INTEGER, BOOL -> name;
          case TIMESTAMP, TIMESTAMPTZ ->
              ("CASE WHEN isfinite(%1$s) THEN (extract(epoch FROM %1$s) * 1000000)::bigint"
                      + " WHEN %1$s > now() THEN 9223372036854775807"
                      + " WHEN %1$s < now() THEN -9223372036854775808 END")
                  .formatted(name);
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
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT "
                + String.join(", ", expressions())
                + " FROM "
                + SourceServer.quoted(binding().schema())
                + "."
                + SourceServer.quoted(binding().name())
                + " WHERE "
                + hasOneOfTheIds())) {
      statement.setArray(
          1, connection.createArrayOf("text", keys.stream().map(this::idOf).distinct().toArray()));
      try (ResultSet result = statement.executeQuery()) {
        while (result.next()) {
          Object[] values = new Object[found.length];
          for (int source = 0; source < values.length; source++) {
            values[source] = result.getObject(source + 1);
          }
          if (match(values, null) != MappedColumn.MappedFilter.Match.NO) {
            SourceRow row = read(values, null);
            String key = TableComparison.keyOf(binding().table(), row);
            if (keys.contains(key)) {
              rows.put(key, row);
            }
          }
        }
      }
    }
    return rows;
  }

  private String idOf(String key) {
    return binding().table() == SourceTable.EVENTS ? key.substring(0, key.lastIndexOf('@')) : key;
  }

  /** A column of its type, so that the server uses its index. */
  private String hasOneOfTheIds() {
    ColumnBinding own = binding().columns().get(SourceTable.SOURCE_ID);
    Origin id =
        ownId(
            own == null
                ? binding().column(binding().table().columns().all().get(0)).origin()
                : own.origin());
    if (id instanceof Origin.Column column) {
      Found type = found[sources().indexOf(column.name())];
      return SourceServer.quoted(column.name())
          + " = ANY (CAST(? AS "
          + (type == null ? "text" : type.type)
          + "[]))";
    }
    return text(id) + " = ANY (?)";
  }

  private static Origin ownId(Origin id) {
    if (id instanceof Origin.Number number) {
      return ownId(number.text());
    }
    if (id instanceof Origin.SourceId source) {
      return ownId(source.text());
    }
    return id instanceof Origin.EventKey key ? key.text() : id;
  }

  private String text(Origin origin) {
    if (origin instanceof Origin.Column column) {
      return SourceServer.quoted(column.name()) + "::text";
    } else if (origin instanceof Origin.Constant constant) {
      return literal(constant.value());
    } else if (origin instanceof Origin.JsonPath path) {
      return "("
          + SourceServer.quoted(path.column())
          + " #>> ARRAY["
          + path.path().stream().map(TableRowReader::literal).collect(Collectors.joining(", "))
          + "])";
    } else if (origin instanceof Origin.Key key) {
      return key.parts().stream()
          .map(
              part ->
                  "replace(replace(%s, E'\\\\', E'\\\\\\\\'), ':', E'\\\\:')".formatted(text(part)))
          .collect(Collectors.joining(" || ':' || "));
    }
    throw new IllegalStateException("There is no SQL for the id " + origin);
  }

  private static String literal(String text) {
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'";
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
