package io.experimentetl.operations;

import java.time.Instant;
import java.util.Optional;

/**
 * How far the warehouse is: everything up to there is visible.
 *
 * @param lsn of the source; 0 while only the snapshot is visible
 * @param committedAt commit time of the last visible transaction; 1970 while there is none
 * @param snapshotDone whether the initial snapshot is complete
 */
public record WarehouseProgress(long lsn, Instant committedAt, boolean snapshotDone) {
  /** Reads it; empty while nothing is visible. */
  public static Optional<WarehouseProgress> of(ClickHouseEndpoint clickHouse) {
    return clickHouse
        .query(
            "SELECT ifNull(lsn, 0), ifNull(toUnixTimestamp64Micro(committed_at), 0), toUInt8(snapshot_done) FROM etl_progress")
        .lines()
        .findFirst()
        .map(line -> line.split("\t", -1))
        .map(
            row -> {
              long micros = Long.parseLong(row[1]);
              return new WarehouseProgress(
                  Long.parseLong(row[0]),
                  Instant.ofEpochSecond(micros / 1_000_000, micros % 1_000_000 * 1_000),
                  row[2].equals("1"));
            });
  }
}
