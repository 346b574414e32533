package io.experimentetl.clickhouse;

/** The table {@code etl_sink_progress}: one row per marker that all sinks of a job have reached. */
final class ProgressTable {

  static final String NAME = "etl_sink_progress";

  static final TableSchema SCHEMA =
      TableSchema.of(NAME)
          .column("sequence_number", "UInt64")
          .column("lsn", "UInt64")
          .column("committed_at", "DateTime64(6, 'UTC')")
          .column("snapshot_done", "Bool")
          .column("written_at", "DateTime64(3, 'UTC')")
          .column("lag_limit_seconds", "UInt64")
          .column("_version", "UInt64");

  private ProgressTable() {}

  /**
   * The statement that writes a marker's row. Any number of copies, however late, writes the same
   * row: it stays true, and the table keeps one row per sequence number, that of the greatest LSN.
   *
   * @param lagLimitSeconds the lag above which rows are too far behind; 0: none is set
   * @param condition an expression that fails the statement if the job must not write
   */
  static String insert(ReachedMarkers.Reached reached, long lagLimitSeconds, String condition) {
    ProgressMarker marker = reached.marker();
    return ("INSERT INTO %s (sequence_number, lsn, committed_at, snapshot_done, written_at,"
            + " lag_limit_seconds, _version, _batch_id) SETTINGS async_insert = 0, insert_deduplicate = 0"
            + " SELECT %d, %d, fromUnixTimestamp64Micro(%d, 'UTC'), %b, fromUnixTimestamp64Milli(%d, 'UTC'),"
            + " %d, %3$d, ''%s")
        .formatted(
            NAME,
            marker.sequenceNumber(),
            marker.lsn(),
            marker.committedAt(),
            marker.snapshotDone(),
            reached.sealedAt(),
            lagLimitSeconds,
            condition);
  }
}
