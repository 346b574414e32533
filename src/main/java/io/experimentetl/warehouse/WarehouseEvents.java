package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import java.io.IOException;
import java.net.URI;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * Those of {@code events_processed} and {@code assignments_processed}, in pages by their sorting
 * keys.
 */
public final class WarehouseEvents implements RawEvents {
  private static final int PAGE_ROWS = 10_000;

  /** Before any time that DateTime64 can hold. */
  private static final long BEGINNING = -2_208_988_800_000_000L;

  /** The first UUID in ClickHouse's order. */
  static final String NO_EVENT = new UUID(0, 0).toString();

  private static final String EVENTS =
      """
      SELECT experiment_id, user_id, toUnixTimestamp64Micro(timestamp), event_id, variant_id, event_type,
        toUnixTimestamp64Micro(assignment_at), properties, session_id, request_id, source_id
      FROM events_processed FINAL
      WHERE user_id IN {users:Array(String)} AND event_type IN {types:Array(String)}
        AND timestamp >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
        AND (experiment_id, user_id, timestamp, event_id)
          > ({a:Int64}, {b:String}, fromUnixTimestamp64Micro({c:Int64}, 'UTC'), {d:UUID})
      ORDER BY experiment_id, user_id, timestamp, event_id
      LIMIT {rows:UInt32}
      """;

  /**
   * Not {@code FINAL}: that would hide a row that a later version replaces. The pages are of keys,
   * so that rows of one key stay together.
   */
  private static final String EVENTS_AS_OF =
      """
      SELECT DISTINCT experiment_id, user_id, toUnixTimestamp64Micro(timestamp) AS at, event_id, variant_id, event_type,
        toUnixTimestamp64Micro(assignment_at), properties, session_id, request_id, source_id, _deleted
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
      ORDER BY experiment_id, user_id, at, event_id
      """;

  private static final String ASSIGNMENTS_AS_OF =
      """
      SELECT DISTINCT experiment_id, user_id, id, variant_id, version, source, context,
        toUnixTimestamp64Micro(assigned_at), toUnixTimestamp64Micro(enrolled_at),
        toUnixTimestamp64Micro(created_at), toUnixTimestamp64Micro(updated_at), _deleted
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
      ORDER BY experiment_id, user_id, id
      """;

  private final ClickHouseReader reader;

  WarehouseEvents(ClickHouseReader reader) {
    this.reader = reader;
  }

  /** Connects to nothing yet. */
  public static RawEvents open(ClickHouseConfig config) throws IOException {
    return new WarehouseEvents(
        new ClickHouseReader(
            new ClickHouseConnection(
                URI.create(config.url()),
                config.database(),
                config.username(),
                config.password()::value)));
  }

  @Override
  public void read(
      Collection<String> userIds,
      Collection<String> eventTypes,
      long from,
      Consumer<EventRow> events)
      throws IOException, InterruptedException {
    Map<String, String> parameters = new HashMap<>();
    parameters.put("from", Long.toString(Math.max(from, BEGINNING)));
    parameters.put("rows", Integer.toString(PAGE_ROWS));
    parameters.put("a", Long.toString(Long.MIN_VALUE));
    parameters.put("b", "");
    parameters.put("c", "0");
    parameters.put("d", NO_EVENT);
    List<String[]> page;
    do {
      page = reader.rows(EVENTS, parameters, Map.of("users", userIds, "types", eventTypes));
      for (String[] row : page) {
        events.accept(event(row));
        parameters.put("a", row[0]);
        parameters.put("b", row[1]);
        parameters.put("c", row[2]);
        parameters.put("d", row[3]);
      }
    } while (page.size() == PAGE_ROWS);
  }

  private static EventRow event(String[] row) {
    return new EventRow(
        EventId.of(UUID.fromString(row[3]), row[10]),
        Long.parseLong(row[2]),
        Long.parseLong(row[0]),
        row[1],
        number(row[4]),
        row[5],
        number(row[6]),
        row[7],
        row[8],
        row[9]);
  }

  @Override
  public void readAsOf(
      Collection<Long> experimentIds,
      Collection<String> userIds,
      long bound,
      Consumer<EventRow> events,
      Consumer<AssignmentRow> assignments)
      throws IOException, InterruptedException {
    Map<String, String> parameters = new HashMap<>();
    parameters.put("experiments", experimentIds.toString());
    parameters.put("bound", Long.toString(bound));
    parameters.put("rows", Integer.toString(PAGE_ROWS));
    parameters.put("c", "0");
    parameters.put("d", NO_EVENT);
    readAsOf(
        EVENTS_AS_OF,
        userIds,
        parameters,
        row -> {
          parameters.put("c", row[2]);
          parameters.put("d", row[3]);
          if (row[11].equals("0")) {
            events.accept(event(row));
          }
        });
    parameters.put("c", Long.toString(Long.MIN_VALUE));
    readAsOf(
        ASSIGNMENTS_AS_OF,
        userIds,
        parameters,
        row -> {
          parameters.put("c", row[2]);
          if (row[11].equals("0")) {
            assignments.accept(assignment(row));
          }
        });
  }

  private void readAsOf(
      String sql,
      Collection<String> userIds,
      Map<String, String> parameters,
      Consumer<String[]> rows)
      throws IOException, InterruptedException {
    parameters.put("a", Long.toString(Long.MIN_VALUE));
    parameters.put("b", "");
    List<String[]> page;
    do {
      page = reader.rows(sql, parameters, Map.of("users", userIds));
      for (String[] row : page) {
        parameters.put("a", row[0]);
        parameters.put("b", row[1]);
        rows.accept(row);
      }
    } while (page.size() >= PAGE_ROWS);
  }

  private static AssignmentRow assignment(String[] row) {
    return new AssignmentRow(
        Long.parseLong(row[2]),
        Long.parseLong(row[0]),
        row[1],
        Long.parseLong(row[3]),
        Integer.parseInt(row[4]),
        row[5],
        row[6],
        Long.parseLong(row[7]),
        number(row[8]),
        Long.parseLong(row[9]),
        Long.parseLong(row[10]));
  }

  private static Long number(String value) {
    return value == null ? null : Long.valueOf(value);
  }

  @Override
  public void close() {
    reader.close();
  }
}
