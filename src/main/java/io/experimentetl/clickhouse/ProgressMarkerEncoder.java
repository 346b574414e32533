package io.experimentetl.clickhouse;

/**
 * Encodes rows of {@code etl_sink_progress}: all rows of a sink subtask up to a marker are visible.
 *
 * @param sink the sink's table
 * @param sinks the number of sinks of the job
 * @param lagLimitSeconds the lag above which rows are too far behind; 0: none is set
 */
record ProgressMarkerEncoder(
    String sink, int subtask, int parallelism, int sinks, long lagLimitSeconds)
    implements RowEncoder<ProgressMarkerEncoder.SealedMarker> {

  static final String TABLE = "etl_sink_progress";

  static final TableSchema SCHEMA =
      TableSchema.of(TABLE)
          .column("sequence_number", "UInt64")
          .column("sink", "LowCardinality(String)")
          .column("subtask", "UInt16")
          .column("parallelism", "UInt16")
          .column("sinks", "UInt16")
          .column("lsn", "UInt64")
          .column("committed_at", "DateTime64(6, 'UTC')")
          .column("snapshot_done", "Bool")
          .column("written_at", "DateTime64(3, 'UTC')")
          .column("lag_limit_seconds", "UInt64")
          .column("_version", "UInt64");

  /**
   * A marker and the time at which its row was sealed.
   *
   * @param sealedAt milliseconds since 1970 in UTC, of the TaskManager's clock
   */
  record SealedMarker(ProgressMarker marker, long sealedAt) {}

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(SealedMarker row) {
    return 0;
  }

  @Override
  public void encode(SealedMarker row, RowBinaryWriter out) {
    ProgressMarker marker = row.marker();
    out.writeUInt64(marker.sequenceNumber());
    out.writeString(sink);
    out.writeUInt16(subtask);
    out.writeUInt16(parallelism);
    out.writeUInt16(sinks);
    out.writeUInt64(marker.lsn());
    out.writeDateTime64(marker.committedAt());
    out.writeBool(marker.snapshotDone());
    out.writeInt64(row.sealedAt());
    out.writeUInt64(lagLimitSeconds);
    out.writeUInt64(marker.sequenceNumber());
  }
}
