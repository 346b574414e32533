package io.experimentetl.clickhouse;

import io.experimentetl.local.ClickHouseEndpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A row for the sink's tests: a reading of a sensor, which later versions may replace.
 *
 * @param month the partition, for instance 202611
 */
record Reading(long sensor, int month, String text, long version) {

  static final String TABLE = "readings";

  static final RowEncoder<Reading> ENCODER = new Encoder();

  /** Readings with even versions are replay-stable. */
  static final RowEncoder<Reading> REPLAY_STABLE = new ReplayStableEncoder();

  /** The same of a backlog: all were committed in 1970. */
  static final RowEncoder<Reading> BACKLOG = new BacklogEncoder();

  /**
   * Creates the tables {@code readings}, {@code etl_sink_progress} and {@code etl_owners}, and
   * returns the connection.
   */
  static ClickHouseConnection createTables(ClickHouseEndpoint database, int deduplicationWindow) {
    createReadings(database, "PARTITION BY month", deduplicationWindow);
    try {
      String tables = Files.readString(Path.of("sql/clickhouse/001_tables.sql"));
      for (String table : new String[] {"etl_sink_progress", "etl_owners"}) {
        int from = tables.indexOf("CREATE TABLE IF NOT EXISTS " + table);
        database.query(tables.substring(from, tables.indexOf(";\n", from)));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return connectionTo(database);
  }

  static void createReadings(ClickHouseEndpoint database, String partition, int window) {
    database.query(
        """
        CREATE TABLE readings (sensor Int64, month UInt32, text String, _version UInt64,
          _batch_id LowCardinality(String))
        ENGINE = ReplacingMergeTree(_version) %s ORDER BY sensor
        SETTINGS non_replicated_deduplication_window = %d"""
            .formatted(partition, window));
  }

  /** Stops merges, which would remove a doubled row before it is counted. */
  static void keepEveryRow(ClickHouseEndpoint database) {
    database.query("SYSTEM STOP MERGES readings");
  }

  static ClickHouseConnection connectionTo(ClickHouseEndpoint database) {
    return connectionTo(URI.create(database.url()), database);
  }

  static ClickHouseConnection connectionTo(URI url, ClickHouseEndpoint database) {
    try {
      Path file = Path.of("target", "clickhouse-test-" + database.database()).toAbsolutePath();
      Files.writeString(file, database.password());
      String path = file.toString();
      return new ClickHouseConnection(
          url, database.database(), database.user(), () -> Files.readString(Path.of(path)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static class Encoder implements RowEncoder<Reading> {
    @Override
    public TableSchema schema() {
      return TableSchema.of(TABLE)
          .column("sensor", "Int64")
          .column("month", "UInt32")
          .column("text", "String")
          .column("_version", "UInt64");
    }

    @Override
    public long partition(Reading row) {
      return row.month();
    }

    @Override
    public void encode(Reading row, NativeWriter out) {
      out.writeInt64(row.sensor());
      out.writeInt32(row.month());
      out.writeString(row.text());
      out.writeUInt64(row.version());
    }
  }

  private static class ReplayStableEncoder extends Encoder {
    @Override
    public boolean isReplayStable(Reading row) {
      return row.version() % 2 == 0;
    }
  }

  private static final class BacklogEncoder extends ReplayStableEncoder {
    @Override
    public long committedAt(Reading row) {
      return 0;
    }
  }
}
