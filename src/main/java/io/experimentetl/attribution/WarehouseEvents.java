package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.model.EventRow;
import java.io.IOException;
import java.net.URI;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Those of {@code events_processed}, in pages by its sorting key. */
final class WarehouseEvents implements RawEvents {
  private static final int PAGE_ROWS = 10_000;

  /** Before any time that DateTime64 can hold. */
  private static final long BEGINNING = -2_208_988_800_000_000L;

  private static final String EVENTS =
      """
      SELECT experiment_id, user_id, toUnixTimestamp64Micro(timestamp), event_id, variant_id, event_type,
        toUnixTimestamp64Micro(assignment_at), properties, session_id, request_id
      FROM events_processed FINAL
      WHERE user_id IN {users:Array(String)} AND event_type IN {types:Array(String)}
        AND timestamp >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
        AND (experiment_id, user_id, timestamp, event_id)
          > ({a:Int64}, {b:String}, fromUnixTimestamp64Micro({c:Int64}, 'UTC'), {d:String})
      ORDER BY experiment_id, user_id, timestamp, event_id
      LIMIT {rows:UInt32}
      """;

  private final ClickHouseReader reader;

  private WarehouseEvents(ClickHouseReader reader) {
    this.reader = reader;
  }

  /** Connects to nothing yet. */
  static RawEvents open(ClickHouseConfig config) throws IOException {
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
    parameters.put("d", "");
    List<String[]> page;
    do {
      page = reader.rows(EVENTS, parameters, Map.of("users", userIds, "types", eventTypes));
      for (String[] row : page) {
        events.accept(
            new EventRow(
                row[3],
                Long.parseLong(row[2]),
                Long.parseLong(row[0]),
                row[1],
                number(row[4]),
                row[5],
                number(row[6]),
                row[7],
                row[8],
                row[9]));
        parameters.put("a", row[0]);
        parameters.put("b", row[1]);
        parameters.put("c", row[2]);
        parameters.put("d", row[3]);
      }
    } while (page.size() == PAGE_ROWS);
  }

  private static Long number(String value) {
    return value == null ? null : Long.valueOf(value);
  }

  @Override
  public void close() {
    reader.close();
  }
}
