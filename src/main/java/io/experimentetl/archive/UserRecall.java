package io.experimentetl.archive;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseFiles;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.config.ArchiveConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.OptionalLong;
import java.util.zip.CRC32;

/**
 * Copies archived rows of single users back into ClickHouse, for a job that needs them again. The
 * next run of the archive moves them out once more.
 */
public final class UserRecall implements AutoCloseable {
  private static final Duration TIMEOUT = Duration.ofMinutes(10);

  private final ArchiveConfig config;
  private final ClickHouseConnection warehouse;
  private Archive archive;
  private ClickHouseFiles clickHouse;

  /** Connects to nothing yet. */
  public UserRecall(ArchiveConfig config, ClickHouseConnection warehouse) {
    this.config = config;
    this.warehouse = warehouse;
  }

  /**
   * Copies a user's rows back.
   *
   * @param earliest of their times, microseconds since 1970 in UTC
   * @param latest of their times
   * @return the number of rows that ClickHouse did not have; empty: no month of these times is
   *     archived
   * @throws IOException the archive or ClickHouse can't be read, or a month was archived anew
   *     meanwhile
   */
  public OptionalLong recall(String userId, long earliest, long latest)
      throws IOException, InterruptedException {
    open();
    OptionalLong copied = OptionalLong.empty();
    YearMonth first = monthOf(earliest);
    YearMonth last = monthOf(latest);
    for (Manifest manifest : archive.manifests(first, last)) {
      long rows =
          new MonthRestorer(archive, clickHouse)
              .recall(
                  manifest, bucketOf(userId, manifest.buckets()), ClickHouseReader.literal(userId));
      copied = OptionalLong.of(copied.orElse(0) + rows);
    }
    return copied;
  }

  private void open() throws IOException {
    if (archive == null) {
      archive = new Archive(ArchiveStore.open(config));
      clickHouse = new ClickHouseFiles(warehouse, TIMEOUT);
    }
  }

  private static YearMonth monthOf(long micros) {
    return YearMonth.from(
        Instant.ofEpochSecond(Math.floorDiv(micros, 1_000_000)).atZone(ZoneOffset.UTC));
  }

  /** As {@link ArchivedTable#bucketOf} in SQL. */
  static int bucketOf(String userId, int buckets) {
    CRC32 crc = new CRC32();
    crc.update(userId.getBytes(StandardCharsets.UTF_8));
    return (int) (crc.getValue() % buckets);
  }

  @Override
  public void close() throws IOException {
    if (archive != null) {
      archive.close();
    }
    if (clickHouse != null) {
      clickHouse.close();
    }
  }
}
