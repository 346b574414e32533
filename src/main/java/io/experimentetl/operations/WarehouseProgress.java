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
  public static Optional<WarehouseProgress> of(ClickHouseLogin clickHouse) {
    return clickHouse
        .list(
            "SELECT ifNull(lsn, 0), ifNull(toUnixTimestamp64Micro(committed_at), 0), snapshot_done FROM etl_progress",
            row -> {
              long micros = row.getLong(2);
              return new WarehouseProgress(
                  row.getLong(1),
                  Instant.ofEpochSecond(micros / 1_000_000, micros % 1_000_000 * 1_000),
                  row.getBoolean(3));
            })
        .stream()
        .findFirst();
  }
}
