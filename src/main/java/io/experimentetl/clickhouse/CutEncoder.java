package io.experimentetl.clickhouse;

import io.experimentetl.model.Cut;

/**
 * Rows of {@code etl_cuts}: a sink subtask says that all its rows up to a cut are visible.
 *
 * @param sink the sink's table
 * @param sinks how many sinks the job has
 */
record CutEncoder(String sink, int subtask, int parallelism, int sinks)
    implements RowEncoder<CutEncoder.SealedCut> {

  static final String TABLE = "etl_cuts";

  static final TableSchema SCHEMA =
      TableSchema.of(TABLE)
          .column("stamp", "UInt64")
          .column("sink", "LowCardinality(String)")
          .column("subtask", "UInt16")
          .column("parallelism", "UInt16")
          .column("sinks", "UInt16")
          .column("lsn", "UInt64")
          .column("committed_at", "DateTime64(6, 'UTC')")
          .column("snapshot_done", "Bool")
          .column("written_at", "DateTime64(3, 'UTC')")
          .column("_version", "UInt64");

  /**
   * A cut and when its row was sealed.
   *
   * @param sealedAt milliseconds since 1970 in UTC, by the TaskManager's clock
   */
  record SealedCut(Cut cut, long sealedAt) {}

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(SealedCut row) {
    return 0;
  }

  @Override
  public void encode(SealedCut row, RowBinaryWriter out) {
    Cut cut = row.cut();
    out.writeUInt64(cut.stamp());
    out.writeString(sink);
    out.writeUInt16(subtask);
    out.writeUInt16(parallelism);
    out.writeUInt16(sinks);
    out.writeUInt64(cut.lsn());
    out.writeDateTime64(cut.committedAt());
    out.writeBool(cut.snapshotDone());
    out.writeInt64(row.sealedAt());
    out.writeUInt64(cut.stamp());
  }
}
