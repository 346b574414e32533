package io.experimentetl.operations;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.RowIdSql;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** The rows of the source that could not be delivered, as the open findings list them. */
public final class DeadLetters {
  private DeadLetters() {}

  /**
   * A row that could not be delivered.
   *
   * @param subject the row by its primary key, or the record of a source topic
   * @param eventId an event's id as PostgreSQL has it; null: no event
   * @param reason the column and its error
   * @param lsn the LSN of the last change that could not be delivered; 0: the snapshot
   * @param firstSeen commit time of the first such change, in UTC
   * @param lastSeen commit time of the last such change, in UTC
   */
  public record Letter(
      Subject subject,
      String eventId,
      String code,
      String reason,
      long lsn,
      String firstSeen,
      String lastSeen) {

    /** Null for a record of a source topic: its table's row is not known. */
    public SourceTable table() {
      return subject.kind() == SubjectKind.KAFKA_RECORD
          ? null
          : SourceTable.ofSubjectKind(subject.kind());
    }

    /** The row's primary key; of an event {@code ID@MICROSECONDS} with the source's own id. */
    public String key() {
      return eventId == null ? subject.key() : subject.keyWithId(eventId);
    }

    /** Where the row is: its table, or Kafka. */
    public String place() {
      return table() == null ? "Kafka" : table().tableName();
    }
  }

  /** Lists them in commit order. */
  public static List<Letter> list(ClickHouseLogin clickHouse) {
    return clickHouse.list(
        "SELECT subject_kind, subject_key, ifNull(source_id, toString(event_id)) AS own_id, code, detail, _lsn,"
            + " formatDateTime(assumeNotNull(dead_letter_since), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS first_seen,"
            + " formatDateTime(observed_at, '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS last_seen"
            + " FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND dead_letter_since IS NOT NULL"
            + " ORDER BY _lsn, _version, subject_kind, subject_key",
        row ->
            new Letter(
                new Subject(
                    SubjectKind.ofText(row.getString("subject_kind")),
                    row.getString("subject_key")),
                row.getString("own_id"),
                row.getString("code"),
                row.getString("detail"),
                row.getLong("_lsn"),
                row.getString("first_seen"),
                row.getString("last_seen")));
  }

  /**
   * Sends rows through the change stream again: each by an UPDATE that changes nothing, in a
   * transaction of its own, in the order of their changes.
   *
   * @param mapping the tables of the source
   * @return what was not sent: rows that no longer exist at the source, and records of topics
   */
  public static List<Letter> replay(
      PostgresLogin postgres, SourceMapping mapping, List<Letter> letters) {
    List<Letter> gone = new ArrayList<>();
    try (Connection connection = postgres.connect()) {
      for (Letter letter : letters) {
        if (letter.table() == null || touch(connection, mapping, letter) == 0) {
          gone.add(letter);
        }
      }
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s refused the UPDATE: %s. Correct the row, or name a user with the right by --postgres-user, and replay again"
              .formatted(postgres, e.getMessage()),
          e);
    }
    return gone;
  }

  /**
   * Closes findings without a delivery: the rows stay in PostgreSQL, and are known to be missing in
   * ClickHouse. The next change of such a row that cannot be delivered opens its finding again; one
   * that can be delivered resolves it.
   */
  public static void dismiss(ClickHouseLogin clickHouse, List<Letter> letters) {
    String which =
        letters.stream()
            .map(
                letter ->
                    "('%s', '%s', %s)"
                        .formatted(
                            letter.code(),
                            letter.subject().kind().text(),
                            ClickHouseReader.literal(letter.subject().key())))
            .collect(Collectors.joining(", "));
    // Above the dismissed finding, and below that of any later change.
    clickHouse.execute(
        "INSERT INTO data_inconsistencies SELECT * REPLACE ('DISMISSED' AS status, _version + 1 AS _version, '' AS _batch_id)"
            // The alias hides the column of its name from the condition beside it.
            + " FROM (SELECT * FROM data_inconsistencies FINAL WHERE status = 'OPEN' AND dead_letter_since IS NOT NULL"
            + " AND (toString(code), toString(subject_kind), subject_key) IN (%s))"
                .formatted(which));
  }

  private static int touch(Connection connection, SourceMapping mapping, Letter letter)
      throws SQLException {
    if (letter.table() == SourceTable.EVENTS && letter.subject().occurredAt() == null) {
      throw new OperationsException(
          "the event " + letter.key() + " has no readable time: update it by hand, by its id");
    }
    int rows = 0;
    for (TableBinding binding : mapping.of(letter.table())) {
      int found = touch(connection, binding, TableSql.of(connection, binding, mapping), letter);
      // A row that could not be read has the number that its own columns give.
      rows +=
          found > 0 ? found : touch(connection, binding, TableSql.of(connection, binding), letter);
    }
    return rows;
  }

  private static int touch(
      Connection connection, TableBinding binding, TableSql table, Letter letter)
      throws SQLException {
    RowColumns<? extends SourceRow> columns = letter.table().columns();
    boolean isEvent = letter.table() == SourceTable.EVENTS;
    RowIdSql ids = new RowIdSql(table);
    List<String> wanted = ids.among(List.of(isEvent ? letter.eventId() : letter.key()));
    if (wanted.isEmpty()) {
      return 0;
    }
    String isListed = "ctid IN (SELECT ctid FROM %s WHERE %s)";
    String sql =
        "UPDATE %1$s SET %2$s = %2$s WHERE %3$s%4$s"
            .formatted(
                TableSql.name(binding),
                settable(connection, binding),
                binding.elements() == null
                    ? ids.isOneOf("?")
                    : isListed.formatted(table.name(), ids.isOneOf("?")),
                isEvent
                    ? " AND least(greatest(extract(epoch FROM %s) * 1000000, -9223372036854775808), 9223372036854775807)::bigint = ?"
                        .formatted(table.value(columns.named("timestamp")))
                    : "");
    try (PreparedStatement update = connection.prepareStatement(sql)) {
      update.setArray(1, connection.createArrayOf("text", wanted.toArray()));
      if (isEvent) {
        update.setLong(2, letter.subject().occurredAt());
      }
      return update.executeUpdate();
    }
  }

  /** A column that may be set to its own value: PostgreSQL refuses it for some. */
  private static String settable(Connection connection, TableBinding binding) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped"
                + " AND attgenerated = '' AND attidentity <> 'a' ORDER BY attname = ANY (?) DESC, attnum LIMIT 1")) {
      statement.setString(1, TableSql.name(binding));
      // What the role may change is at least what it may read.
      statement.setArray(2, connection.createArrayOf("text", binding.sourceColumns().toArray()));
      try (ResultSet column = statement.executeQuery()) {
        if (!column.next()) {
          throw new OperationsException(
              binding.qualifiedName() + " has no column that an UPDATE may set");
        }
        return column.getString(1);
      }
    }
  }
}
