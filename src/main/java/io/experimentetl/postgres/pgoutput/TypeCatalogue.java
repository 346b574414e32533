package io.experimentetl.postgres.pgoutput;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;

/** How a database sends the values of its types, from its catalogue. */
public final class TypeCatalogue {
  private final Map<Integer, ValueFormat> formats = new HashMap<>();

  /**
   * Reads all types of the database.
   *
   * @throws SQLException the server does not answer
   */
  public TypeCatalogue(Connection connection) throws SQLException {
    refresh(connection);
  }

  /**
   * Reads the types again: those that are gone stay known.
   *
   * @throws SQLException the server does not answer
   */
  public void refresh(Connection connection) throws SQLException {
    try (PreparedStatement statement =
            connection.prepareStatement(
                "SELECT t.oid::bigint, coalesce(p.proname, '-') FROM pg_type t LEFT JOIN pg_proc p ON p.oid = t.typsend");
        ResultSet types = statement.executeQuery()) {
      while (types.next()) {
        formats.put((int) types.getLong(1), ValueFormat.ofSendFunction(types.getString(2)));
      }
    }
  }

  /** The format of the type; null: the catalogue does not have it. */
  public ValueFormat format(int type) {
    return formats.get(type);
  }
}
