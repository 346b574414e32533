package io.experimentetl.warehouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.operations.SqlFiles;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.LongUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The job and ClickHouse put a row into the same partition, whatever its key is, and retention
 * keeps rows of any time.
 */
class PartitionsIT {
  private static final int RANDOM_KEYS = 8_000;

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void partitionKeysOfTheTablesAreThoseOfTheEncoders() {
    ClickHouseEndpoint warehouse = PLATFORM.newClickHouseDatabase("partitions");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), false);
    Random random = new Random(12);

    long[] ids =
        LongStream.concat(
                LongStream.of(0, 1, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 62, -(1L << 22)),
                random.longs(RANDOM_KEYS))
            .toArray();
    assertEqual(warehouse, "assignments_processed", "k AS id", ids, PartitionOf::bucket);
    long[] times =
        LongStream.concat(
                LongStream.of(
                    NativeWriter.MIN_DATE_TIME_MICROS,
                    NativeWriter.MAX_DATE_TIME_MICROS,
                    WarehouseRange.FIRST,
                    WarehouseRange.LAST,
                    0,
                    -1,
                    1_420_070_400_000_000L,
                    1_420_070_399_999_999L,
                    2_366_841_600_000_000L,
                    2_366_841_599_999_999L),
                random.longs(
                    RANDOM_KEYS,
                    NativeWriter.MIN_DATE_TIME_MICROS,
                    NativeWriter.MAX_DATE_TIME_MICROS))
            .toArray();
    assertEqual(
        warehouse,
        "events_processed",
        "fromUnixTimestamp64Micro(k, 'UTC') AS timestamp",
        times,
        PartitionOf::monthOrDecade);
    long[] dates =
        LongStream.concat(
                LongStream.of(NativeWriter.MIN_DATE_DAYS, NativeWriter.MAX_DATE_DAYS, 0, -1),
                random
                    .ints(RANDOM_KEYS, NativeWriter.MIN_DATE_DAYS, NativeWriter.MAX_DATE_DAYS)
                    .asLongStream())
            .toArray();
    for (String table : List.of("experiment_daily_stats", "experiment_health_daily")) {
      assertEqual(
          warehouse,
          table,
          "toDate32(toInt32(k)) AS day",
          dates,
          day -> PartitionOf.yearOrDecade((int) day));
    }
  }

  @Test
  void retentionKeepsAssignmentsOfUnknownAndOfFutureTime() {
    ClickHouseEndpoint warehouse = PLATFORM.newClickHouseDatabase("retention");
    new SqlFiles(Path.of("sql")).applyTo(warehouse.login(), true);
    String[] times = {
      "1900-01-02 00:00:00",
      "1900-01-02 00:00:01",
      "2020-06-01",
      "2107-06-01",
      "2299-12-30 23:59:59.999999"
    };
    for (int i = 0; i < times.length; i++) {
      warehouse.query(
          "INSERT INTO assignments_processed (id, user_id, assigned_at, _committed_at, _version) VALUES (%1$d, 'u', '%2$s', now(), 1)"
              .formatted(i, times[i]));
      warehouse.query(
          "INSERT INTO events_processed (event_id, user_id, timestamp, _version) VALUES (generateUUIDv4(), 'u', '%s', 1)"
              .formatted(times[i]));
      warehouse.query(
          "INSERT INTO experiment_daily_stats (experiment_id, day, _committed_at, _version) VALUES (%d, '%s', now(), 1)"
              .formatted(i, times[i].substring(0, 10)));
    }
    for (String table :
        List.of("assignments_processed", "events_processed", "experiment_daily_stats")) {
      warehouse.query("OPTIMIZE TABLE " + table + " FINAL");
    }

    assertThat(warehouse.query("SELECT id FROM assignments_processed ORDER BY id"))
        .isEqualTo("0\n3\n4");
    assertThat(warehouse.query("SELECT toYear(timestamp) FROM events_processed ORDER BY 1"))
        .isEqualTo("2107\n2299");
    assertThat(warehouse.query("SELECT experiment_id FROM experiment_daily_stats ORDER BY 1"))
        .isEqualTo("0\n1\n3\n4");
  }

  private static void assertEqual(
      ClickHouseEndpoint warehouse,
      String table,
      String column,
      long[] keys,
      LongUnaryOperator partition) {
    String key =
        warehouse.query(
            "SELECT partition_key FROM system.tables WHERE database = currentDatabase() AND name = '%s'"
                .formatted(table));
    String partitions =
        warehouse.query(
            "SELECT %s AS p FROM (SELECT %s FROM (SELECT toInt64(arrayJoin(splitByChar(',', '%s'))) AS k)) FORMAT TSVRaw"
                .formatted(
                    key,
                    column,
                    Arrays.stream(keys).mapToObj(Long::toString).collect(Collectors.joining(","))));
    assertThat(partitions.lines().mapToLong(Long::parseLong).toArray())
        .as(table)
        .isEqualTo(Arrays.stream(keys).map(partition).toArray());
  }
}
