package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.SubjectKind;
import java.io.IOException;
import java.io.Serializable;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The facts that are older than the source's retention, or that a retention transaction has
 * deleted, read from an older warehouse in pages, assignments first. A resync reads them beside the
 * source's snapshot, which may not have them any more. Facts of users who are not in the source are
 * left out: those users were erased.
 */
public final class RetainedRows implements AutoCloseable {
  private static final int PAGE_ROWS = 5_000;
  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  private static final String ASSIGNMENTS =
      """
      SELECT %s, toUnixTimestamp64Micro(_committed_at) AS committed_micros
      FROM assignments_processed FINAL
      WHERE (assigned_at < now64(6, 'UTC') - toIntervalSecond({retention:UInt64}) OR %s)
        AND (experiment_id, user_id, id) > ({a:Int64}, {b:String}, {c:Int64})
      ORDER BY experiment_id, user_id, id
      LIMIT {rows:UInt32}
      """
          .formatted(
              SourceColumns.select(AssignmentRow.COLUMNS),
              isKeptBeyondSource(SourceTable.ASSIGNMENTS, Long.MAX_VALUE));
  private static final String EVENTS =
      """
      SELECT %s, toUnixTimestamp64Micro(_committed_at) AS committed_micros
      FROM events_processed FINAL
      WHERE (timestamp < now64(6, 'UTC') - toIntervalSecond(
          transform(ifNull(fact, ''), {facts:Array(String)}, {periods:Array(UInt64)}, {retention:UInt64})) OR %s)
        AND (experiment_id, user_id, timestamp, event_id)
          > ({a:Int64}, {b:String}, fromUnixTimestamp64Micro({c:Int64}, 'UTC'), {d:UUID})
      ORDER BY experiment_id, user_id, timestamp, event_id
      LIMIT {rows:UInt32}
      """
          .formatted(
              SourceColumns.select(EventRow.COLUMNS),
              isKeptBeyondSource(SourceTable.EVENTS, Long.MAX_VALUE));

  /**
   * Where they are.
   *
   * @param warehouse the old one
   * @param eventRetention how long the source keeps events
   * @param assignmentRetention how long the source keeps assignments
   * @param factRetention how long it keeps rows of tables of metric events, where that differs
   */
  public record From(
      ClickHouseConnection warehouse,
      Duration eventRetention,
      Duration assignmentRetention,
      Map<String, Duration> factRetention)
      implements Serializable {}

  /**
   * How far they were read.
   *
   * @param table null: all of them were
   * @param key of the table's last row that was read; empty: none yet
   */
  public record Position(SourceTable table, List<String> key) {
    public static final Position START = new Position(SourceTable.ASSIGNMENTS, List.of());
    public static final Position END = new Position(null, List.of());

    public static Position of(List<String> list) {
      return list.isEmpty()
          ? END
          : new Position(
              SourceTable.ofTableName(list.get(0)), List.copyOf(list.subList(1, list.size())));
    }

    public List<String> asList() {
      List<String> list = new ArrayList<>();
      if (!isEnd()) {
        list.add(table.tableName());
        list.addAll(key);
      }
      return list;
    }

    public boolean isEnd() {
      return table == null;
    }
  }

  /** The users of the source. */
  @FunctionalInterface
  public interface Users {
    /** The users among these that still exist in the source. */
    Set<String> stillThere(Set<String> userIds) throws SQLException;
  }

  /** Rows as changes without a sequence number, and the position after them. */
  public record Page(List<Change> rows, Position reached) {}

  private final From from;
  private final Users users;
  private final ClickHouseReader reader;

  public RetainedRows(From from, Users users) {
    this.from = from;
    this.users = users;
    this.reader = new ClickHouseReader(from.warehouse());
  }

  /**
   * The condition that the warehouse keeps a row of the table although PostgreSQL has it no longer:
   * a retention transaction has deleted it, and the row says so, or has truncated the table, which
   * sends no row: then the finding about it has a version above those of the rows.
   *
   * @param asOfLsn a later TRUNCATE does not count
   */
  public static String isKeptBeyondSource(SourceTable table, long asOfLsn) {
    return """
        (_delete_reason = '%s' OR _version < (SELECT max(_version) FROM data_inconsistencies
          WHERE code = '%s' AND subject_kind = '%s' AND subject_key = '%s' AND _lsn <= %d))"""
        .formatted(
            RowVersion.RETENTION,
            FindingCode.C_DELETE_RETENTION.code(),
            SubjectKind.SOURCE_TABLE.text(),
            table.tableName(),
            asOfLsn);
  }

  /**
   * The next page.
   *
   * @throws IOException the warehouse can't be read
   * @throws SQLException the source can't be asked for its users
   */
  public Page after(Position position) throws IOException, SQLException, InterruptedException {
    boolean events = position.table() == SourceTable.EVENTS;
    Map<String, Object> parameters = new HashMap<>();
    parameters.put("rows", PAGE_ROWS);
    parameters.put(
        "retention", (events ? from.eventRetention() : from.assignmentRetention()).toSeconds());
    List<String> key = position.key();
    parameters.put("a", key.isEmpty() ? Long.toString(Long.MIN_VALUE) : key.get(0));
    parameters.put("b", key.isEmpty() ? "" : key.get(1));
    parameters.put("c", key.isEmpty() ? "0" : key.get(2));
    if (events) {
      parameters.put("facts", List.copyOf(from.factRetention().keySet()));
      parameters.put(
          "periods", from.factRetention().values().stream().map(Duration::toSeconds).toList());
      parameters.put("d", key.isEmpty() ? WarehouseEvents.NO_EVENT : key.get(3));
    }
    List<Retained> rows =
        reader.list(
            events ? EVENTS : ASSIGNMENTS,
            parameters,
            TIMEOUT,
            events ? RetainedRows::event : RetainedRows::assignment);
    if (rows.isEmpty()) {
      return new Page(
          List.of(), events ? Position.END : new Position(SourceTable.EVENTS, List.of()));
    }
    Set<String> known =
        users.stillThere(rows.stream().map(Retained::userId).collect(Collectors.toSet()));
    List<Change> changes = new ArrayList<>(rows.size());
    for (Retained row : rows) {
      if (known.contains(row.userId())) {
        changes.add(row.change());
      }
    }
    return new Page(changes, new Position(position.table(), rows.get(rows.size() - 1).key()));
  }

  private record Retained(Change change, String userId, List<String> key) {}

  private static Retained assignment(ResultSet row) throws SQLException {
    AssignmentRow assignment = SourceColumns.read(row, AssignmentRow.COLUMNS);
    return new Retained(
        change(SourceTable.ASSIGNMENTS, assignment, row),
        assignment.userId(),
        List.of(
            Long.toString(assignment.experimentId()),
            assignment.userId(),
            Long.toString(assignment.id())));
  }

  private static Retained event(ResultSet row) throws SQLException {
    EventRow event = SourceColumns.read(row, EventRow.COLUMNS);
    return new Retained(
        change(SourceTable.EVENTS, event, row),
        event.userId(),
        List.of(
            Long.toString(event.experimentId()),
            event.userId(),
            Long.toString(event.occurredAt()),
            event.id().uuid().toString()));
  }

  private static Change change(SourceTable table, SourceRow content, ResultSet row)
      throws SQLException {
    return new Change(
        table,
        ChangeKind.RETAINED,
        0,
        new SourcePosition(0, 0, 0, 0, row.getLong("committed_micros")),
        null,
        content);
  }

  @Override
  public void close() {
    reader.close();
  }
}
