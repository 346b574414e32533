package io.experimentetl.operations;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The rows of the source that could not be delivered, as the open findings name them. */
public final class DeadLetters {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** How the detail of a finding about such a row begins. */
  private static final String BEGINNING = "not delivered since ";

  private final PostgresLogin postgres;
  private final ClickHouseEndpoint clickHouse;

  public DeadLetters(PostgresLogin postgres, ClickHouseEndpoint clickHouse) {
    this.postgres = postgres;
    this.clickHouse = clickHouse;
  }

  /**
   * One of them.
   *
   * @param key the primary key; of an event {@code ID@MICROS}
   * @param reason the column, and what is wrong with it
   * @param lsn of the change that could not be delivered last; 0: the snapshot
   * @param firstSeen commit time of the first such change, in UTC
   * @param lastSeen commit time of the last one, in UTC
   */
  public record Letter(
      SourceTable table,
      String key,
      String code,
      String reason,
      long lsn,
      String firstSeen,
      String lastSeen) {}

  /** All of them, in commit order. */
  public List<Letter> list() {
    String rows =
        clickHouse.query(
            "SELECT code, subject, detail, toString(_lsn), formatDateTime(observed_at, '%Y-%m-%dT%H:%i:%SZ', 'UTC')"
                + " FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND code IN ('S-UNPARSEABLE', 'S-NULL-REQUIRED')"
                + " AND startsWith(detail, '"
                + BEGINNING
                + "') ORDER BY _lsn, _version, subject FORMAT JSONCompactEachRow");
    return rows.lines().map(DeadLetters::letter).toList();
  }

  private static Letter letter(String line) {
    try {
      JsonNode row = JSON.readTree(line);
      String subject = row.get(1).asText();
      int colon = subject.indexOf(':');
      String detail = row.get(2).asText().substring(BEGINNING.length());
      int comma = detail.indexOf(", ");
      return new Letter(
          table(subject.substring(0, colon)),
          subject.substring(colon + 1),
          row.get(0).asText(),
          detail.substring(comma + 2),
          row.get(3).asLong(),
          detail.substring(0, comma),
          row.get(4).asText());
    } catch (JsonProcessingException e) {
      throw new OperationsException("ClickHouse answered with a line that is not JSON: " + line, e);
    }
  }

  private static SourceTable table(String noun) {
    return Stream.of(SourceTable.values())
        .filter(table -> table.noun().equals(noun))
        .findFirst()
        .orElseThrow(
            () ->
                new OperationsException("a finding is about a " + noun + ", which is no table's"));
  }

  /**
   * Sends them through the change stream again: each by an UPDATE that changes nothing, in a
   * transaction of its own, in the order of their changes.
   *
   * @return those that are gone at the source
   */
  public List<Letter> replay(List<Letter> letters) {
    List<Letter> gone = new ArrayList<>();
    try (Connection connection = postgres.connect()) {
      for (Letter letter : letters) {
        if (touch(connection, letter) == 0) {
          gone.add(letter);
        }
      }
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL does not take the UPDATE: "
              + e.getMessage()
              + "; correct it and replay again",
          e);
    }
    return gone;
  }

  private static int touch(Connection connection, Letter letter) throws SQLException {
    String table = letter.table().tableName();
    String id = letter.key();
    long micros = 0;
    String sql;
    if (letter.table() == SourceTable.EVENTS) {
      int at = id.lastIndexOf('@');
      try {
        micros = Long.parseLong(id.substring(at + 1));
      } catch (NumberFormatException e) {
        throw new OperationsException(
            "the event " + id + " has no readable time: update it by hand, by its id", e);
      }
      id = id.substring(0, at);
      sql =
          "UPDATE events SET id = id WHERE id::text = ? AND CASE WHEN isfinite(\"timestamp\")"
              + " THEN (extract(epoch FROM \"timestamp\") * 1000000)::bigint"
              + " WHEN \"timestamp\" > now() THEN 9223372036854775807 ELSE -9223372036854775808 END = ?";
    } else {
      String key =
          letter.table() == SourceTable.USERS
              ? "user_id"
              : letter.table() == SourceTable.ETL_HEARTBEAT ? "writer" : "id";
      sql = "UPDATE %1$s SET %2$s = %2$s WHERE %2$s::text = ?".formatted(table, key);
    }
    try (PreparedStatement update = connection.prepareStatement(sql)) {
      update.setString(1, id);
      if (letter.table() == SourceTable.EVENTS) {
        update.setLong(2, micros);
      }
      return update.executeUpdate();
    }
  }
}
