package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.RowVersion;

/** The columns of every warehouse table that hold the origin of a row. */
public final class VersionColumns {
  private VersionColumns() {}

  /** The schema with the version columns after its own. */
  public static TableSchema append(TableSchema schema) {
    return schema
        .column("_lsn", "UInt64")
        .column("_committed_at", "DateTime64(6, 'UTC')")
        .column("_version", "UInt64")
        .column("_deleted", "UInt8")
        .column("_delete_reason", "LowCardinality(String)");
  }

  /** Writes them, in the schema's order. */
  public static void write(RowVersion version, NativeWriter out) {
    out.writeUInt64(version.lsn());
    out.writeDateTime64(version.committedAt());
    out.writeUInt64(version.version());
    out.writeBool(version.deleted());
    out.writeString(version.deleteReason());
  }
}
