package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
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
        .column("_delete_reason", "String");
  }

  /** Whether the change leaves only a tombstone. What retention deletes is kept. */
  static boolean isTombstone(Change change) {
    return change.after() == null && change.kind() != ChangeKind.RETENTION_DELETE;
  }

  /**
   * The version of the row that the source's change leaves.
   *
   * @param deleteReason of a delete whose kind does not tell more
   */
  static RowVersion of(Change change, String deleteReason) {
    return new RowVersion(
        change.position().lsn(),
        change.position().committedAt(),
        RowVersion.ofSequenceNumber(change.sequenceNumber()),
        isTombstone(change),
        change.after() == null ? reasonOf(change.kind(), deleteReason) : "");
  }

  private static String reasonOf(ChangeKind kind, String deleteReason) {
    return switch (kind) {
      case KEY_CHANGE -> "key-change";
      case RETENTION_DELETE -> RowVersion.RETENTION;
      case TRUNCATE -> "truncate";
      default -> deleteReason;
    };
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
