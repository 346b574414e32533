package io.experimentetl.maintenance;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Rows as maps from the column's name to a value that JSON has: a number, text, boolean or null.
 */
public final class SqlRows {
  private SqlRows() {}

  /**
   * Runs a query of PostgreSQL.
   *
   * @param parameters texts, numbers, booleans, or null for a text
   */
  public static List<Map<String, Object>> query(
      Connection connection, String sql, Object... parameters) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, parameters);
      List<Map<String, Object>> rows = new ArrayList<>();
      try (ResultSet result = statement.executeQuery()) {
        while (result.next()) {
          rows.add(row(result));
        }
      }
      return rows;
    }
  }

  /** Runs a statement and returns the number of its rows. */
  public static int update(Connection connection, String sql, Object... parameters)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      bind(statement, parameters);
      return statement.executeUpdate();
    }
  }

  private static void bind(PreparedStatement statement, Object... parameters) throws SQLException {
    for (int i = 0; i < parameters.length; i++) {
      if (parameters[i] == null) {
        statement.setNull(i + 1, Types.OTHER);
      } else {
        statement.setObject(i + 1, parameters[i]);
      }
    }
  }

  /** The present row. */
  public static Map<String, Object> row(ResultSet result) throws SQLException {
    ResultSetMetaData columns = result.getMetaData();
    Map<String, Object> row = new LinkedHashMap<>();
    for (int i = 1; i <= columns.getColumnCount(); i++) {
      row.put(columns.getColumnLabel(i), value(result.getObject(i), result, i));
    }
    return row;
  }

  private static Object value(Object value, ResultSet result, int column) throws SQLException {
    if (value == null || value instanceof Boolean || value instanceof Double) {
      return value instanceof Double number && !Double.isFinite(number) ? null : value;
    }
    if (value instanceof Float number) {
      return Float.isFinite(number) ? number.doubleValue() : null;
    }
    if (value instanceof Integer || value instanceof Long || value instanceof BigDecimal) {
      return value;
    }
    if (value instanceof Timestamp time) {
      // Infinity has no instant: PostgreSQL's text says it.
      String text = result.getString(column);
      return text.endsWith("infinity") ? text : time.toInstant().toString();
    }
    if (value instanceof Date) {
      return result.getString(column);
    }
    if (value instanceof Number number) {
      return number.longValue();
    }
    return value.toString();
  }
}
