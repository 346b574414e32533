package io.experimentetl.warehouse;

import io.experimentetl.archive.UserRecall;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowColumns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;

/** Events and assignments as ClickHouse has them, read in pages by sorting key. */
public final class WarehouseEvents implements RawEvents {
  private static final int PAGE_ROWS = 10_000;
  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  /** Before any time that DateTime64 can hold. */
  private static final long BEGINNING = -2_208_988_800_000_000L;

  /** The first UUID in ClickHouse's order. */
  static final String NO_EVENT = new UUID(0, 0).toString();

  private static final String EVENTS =
      """
      SELECT %s
      FROM events_processed FINAL
      WHERE user_id IN {users:Array(String)} AND event_type IN {types:Array(String)}
        AND timestamp >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
        AND (experiment_id, user_id, timestamp, event_id)
          > ({a:Int64}, {b:String}, fromUnixTimestamp64Micro({c:Int64}, 'UTC'), {d:UUID})
      ORDER BY experiment_id, user_id, timestamp, event_id
      LIMIT {rows:UInt32}
      """
          .formatted(SourceColumns.select(EventRow.COLUMNS));

  /**
   * Of several rows of one key and version that agree otherwise: a copy that was sent again may
   * carry a code that depends on timing.
   */
  private static final String STORED =
      "any(_lsn) AS row_lsn, toUnixTimestamp64Micro(any(_committed_at)) AS row_committed_at,"
          + " any(_version) AS row_version, toInt32(any(day)) AS row_day,"
          + " arrayStringConcat(groupUniqArrayArray(inconsistencies), ' ') AS row_found";

  /**
   * Without {@code FINAL}, which would hide a row that a later version replaces. A page is a range
   * of keys, so that the versions of one key stay together.
   */
  private static final String EVENTS_AS_OF =
      """
      SELECT %s, toUInt64(0) AS assigned_sequence, _deleted, %s
      FROM events_processed
      WHERE experiment_id IN {experiments:Array(Int64)} AND user_id IN {users:Array(String)}
        AND (experiment_id, user_id, timestamp, event_id, _version) IN
        (
          SELECT experiment_id, user_id, timestamp, event_id, max(_version)
          FROM events_processed
          WHERE experiment_id IN {experiments:Array(Int64)} AND user_id IN {users:Array(String)}
            AND _version <= {bound:UInt64}
            AND (experiment_id, user_id, timestamp, event_id)
              > ({a:Int64}, {b:String}, fromUnixTimestamp64Micro({c:Int64}, 'UTC'), {d:UUID})
          GROUP BY experiment_id, user_id, timestamp, event_id
          ORDER BY experiment_id, user_id, timestamp, event_id
          LIMIT {rows:UInt32}
        )
      GROUP BY ALL
      ORDER BY experiment_id, user_id, timestamp_micros, event_id
      """
          .formatted(SourceColumns.select(EventRow.COLUMNS), STORED);

  private static final String ASSIGNMENTS_AS_OF =
      """
      SELECT %s, assigned_sequence, _deleted, %s
      FROM assignments_processed
      WHERE experiment_id IN {experiments:Array(Int64)} AND user_id IN {users:Array(String)}
        AND (experiment_id, user_id, id, _version) IN
        (
          SELECT experiment_id, user_id, id, max(_version)
          FROM assignments_processed
          WHERE experiment_id IN {experiments:Array(Int64)} AND user_id IN {users:Array(String)}
            AND _version <= {bound:UInt64}
            AND (experiment_id, user_id, id) > ({a:Int64}, {b:String}, {c:Int64})
          GROUP BY experiment_id, user_id, id
          ORDER BY experiment_id, user_id, id
          LIMIT {rows:UInt32}
        )
      GROUP BY ALL
      ORDER BY experiment_id, user_id, id
      """
          .formatted(SourceColumns.select(AssignmentRow.COLUMNS), STORED);

  private final ClickHouseReader reader;
  private final UserRecall archive;

  /**
   * Reads through a reader.
   *
   * @param archive null: there is none
   */
  WarehouseEvents(ClickHouseReader reader, UserRecall archive) {
    this.reader = reader;
    this.archive = archive;
  }

  /** Connects to nothing yet. */
  public static RawEvents open(JobConfig config) {
    ClickHouseConnection warehouse =
        Warehouse.connection(config.clickhouse(), config.clickhouse().database());
    return new WarehouseEvents(
        new ClickHouseReader(warehouse),
        config.archive().isOn() ? new UserRecall(config.archive(), warehouse) : null);
  }

  @Override
  public void read(
      Collection<String> userIds,
      Collection<String> eventTypes,
      long from,
      Consumer<EventRow> events)
      throws IOException, InterruptedException {
    Map<String, Object> parameters = new HashMap<>();
    parameters.put("users", userIds);
    parameters.put("types", eventTypes);
    parameters.put("from", Math.max(from, BEGINNING));
    parameters.put("rows", PAGE_ROWS);
    parameters.put("a", Long.MIN_VALUE);
    parameters.put("b", "");
    parameters.put("c", 0L);
    parameters.put("d", NO_EVENT);
    List<EventRow> page;
    do {
      page =
          reader.list(
              EVENTS, parameters, TIMEOUT, row -> SourceColumns.read(row, EventRow.COLUMNS));
      for (EventRow row : page) {
        events.accept(row);
        putEventKey(parameters, row);
      }
    } while (page.size() == PAGE_ROWS);
  }

  private static void putEventKey(Map<String, Object> parameters, EventRow row) {
    parameters.put("a", row.experimentId());
    parameters.put("b", row.userId());
    parameters.put("c", row.occurredAt());
    parameters.put("d", row.id().uuid());
  }

  /** A row version, of which a tombstone counts for the page only. */
  private record Version<T>(T row, long sequence, boolean deleted, Stored stored) {}

  /** Takes rows of either table. */
  private interface Rows<T> {
    void accept(T row, long sequence, Stored stored);
  }

  @Override
  public void readAsOf(
      Collection<Long> experimentIds,
      Collection<String> userIds,
      long bound,
      Events events,
      Assignments assignments)
      throws IOException, InterruptedException {
    Map<String, Object> parameters = new HashMap<>();
    parameters.put("experiments", experimentIds);
    parameters.put("users", userIds);
    parameters.put("bound", bound);
    parameters.put("rows", PAGE_ROWS);
    parameters.put("a", Long.MIN_VALUE);
    parameters.put("b", "");
    parameters.put("c", 0L);
    parameters.put("d", NO_EVENT);
    readAsOf(
        EVENTS_AS_OF,
        parameters,
        EventRow.COLUMNS,
        row -> putEventKey(parameters, row),
        (event, none, stored) -> events.accept(event, stored));
    parameters.put("a", Long.MIN_VALUE);
    parameters.put("b", "");
    parameters.put("c", Long.MIN_VALUE);
    readAsOf(
        ASSIGNMENTS_AS_OF,
        parameters,
        AssignmentRow.COLUMNS,
        row -> {
          parameters.put("a", row.experimentId());
          parameters.put("b", row.userId());
          parameters.put("c", row.id());
        },
        assignments::accept);
  }

  private <T> void readAsOf(
      String sql,
      Map<String, Object> parameters,
      RowColumns<T> columns,
      Consumer<T> nextKey,
      Rows<T> rows)
      throws IOException, InterruptedException {
    List<Version<T>> page;
    do {
      page =
          reader.list(
              sql,
              parameters,
              TIMEOUT,
              row ->
                  new Version<>(
                      SourceColumns.read(row, columns),
                      row.getLong("assigned_sequence"),
                      row.getBoolean("_deleted"),
                      new Stored(
                          row.getLong("row_lsn"),
                          row.getLong("row_committed_at"),
                          row.getLong("row_version"),
                          row.getInt("row_day"),
                          codesOf(row.getString("row_found")))));
      for (Version<T> version : page) {
        nextKey.accept(version.row());
        if (!version.deleted()) {
          rows.accept(version.row(), version.sequence(), version.stored());
        }
      }
    } while (page.size() >= PAGE_ROWS);
  }

  private static Set<FindingCode> codesOf(String found) {
    Set<FindingCode> codes = EnumSet.noneOf(FindingCode.class);
    if (!found.isEmpty()) {
      for (String code : found.split(" ", -1)) {
        codes.add(FindingCode.ofCode(code));
      }
    }
    return codes;
  }

  /** The age of a row without a time is that of its commit, which may be in any month. */
  @Override
  public OptionalLong recall(String userId, long earliest, long latest)
      throws IOException, InterruptedException {
    return archive == null
        ? OptionalLong.empty()
        : archive.recall(
            userId, earliest, WarehouseRange.isEnd(earliest) ? WarehouseRange.LAST : latest);
  }

  @Override
  public void close() {
    reader.close();
    if (archive != null) {
      try {
        archive.close();
      } catch (IOException e) {
        throw new UncheckedIOException("Temporary files of the archive can't be removed", e);
      }
    }
  }
}
