package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;

/**
 * Rows of the tables {@code experiments}, {@code variants} and {@code users}: the dimensions as
 * they stand.
 */
public final class DimensionEncoder implements RowEncoder<Change> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema EXPERIMENTS =
      VersionColumns.append(
          TableSchema.of("experiments")
              .column("id", "Int64")
              .column("key", "String")
              .column("name", "String")
              .column("description", "Nullable(String)")
              .column("status", "LowCardinality(String)")
              .column("seed", "Nullable(String)")
              .column("version", "Int32")
              .column("config", "Nullable(String)")
              .column("starts_at", "Nullable(DateTime64(6, 'UTC'))")
              .column("ends_at", "Nullable(DateTime64(6, 'UTC'))")
              .column("created_at", "DateTime64(6, 'UTC')")
              .column("updated_at", "DateTime64(6, 'UTC')"));
  private static final TableSchema VARIANTS =
      VersionColumns.append(
          TableSchema.of("variants")
              .column("id", "Int64")
              .column("experiment_id", "Int64")
              .column("key", "String")
              .column("name", "String")
              .column("description", "Nullable(String)")
              .column("allocation_pct", "Int32")
              .column("is_control", "Bool")
              .column("config", "Nullable(String)")
              .column("created_at", "DateTime64(6, 'UTC')")
              .column("updated_at", "DateTime64(6, 'UTC')"));
  private static final TableSchema USERS =
      VersionColumns.append(
          TableSchema.of("users")
              .column("user_id", "String")
              .column("email", "Nullable(String)")
              .column("name", "Nullable(String)")
              .column("properties", "Nullable(String)")
              .column("is_active", "Bool")
              .column("created_at", "DateTime64(6, 'UTC')")
              .column("updated_at", "DateTime64(6, 'UTC')"));

  private final SourceTable table;

  /**
   * The encoder of one dimension.
   *
   * @throws IllegalArgumentException if the table is not a dimension
   */
  public DimensionEncoder(SourceTable table) {
    if (table != SourceTable.EXPERIMENTS
        && table != SourceTable.VARIANTS
        && table != SourceTable.USERS) {
      throw new IllegalArgumentException(table + " is not a dimension");
    }
    this.table = table;
  }

  @Override
  public TableSchema schema() {
    if (table == SourceTable.EXPERIMENTS) {
      return EXPERIMENTS;
    }
    return table == SourceTable.VARIANTS ? VARIANTS : USERS;
  }

  @Override
  public long partition(Change change) {
    return 0;
  }

  @Override
  public boolean isReplayStable(Change change) {
    return versionOf(change).isReplayStable();
  }

  @Override
  public void encode(Change change, RowBinaryWriter out) {
    boolean deleted = change.after() == null;
    SourceRow row = deleted ? change.before() : change.after();
    if (row instanceof ExperimentRow experiment) {
      encode(experiment, out);
    } else if (row instanceof VariantRow variant) {
      encode(variant, out);
    } else {
      encode(deleted ? forgotten((UserRow) row) : (UserRow) row, out);
    }
    VersionColumns.write(versionOf(change), out);
  }

  private static RowVersion versionOf(Change change) {
    return new RowVersion(
        change.position().lsn(),
        change.position().committedAt(),
        RowVersion.ofSequenceNumber(change.sequenceNumber()),
        change.after() == null,
        reasonOf(change));
  }

  private static String reasonOf(Change change) {
    if (change.after() != null) {
      return "";
    }
    if (change.kind() == ChangeKind.KEY_CHANGE) {
      return "key-change";
    }
    return change.table() == SourceTable.USERS ? "erasure" : "unexpected";
  }

  /** Of an erased user nothing but the key goes on. */
  private static UserRow forgotten(UserRow row) {
    return new UserRow(row.userId(), null, null, null, false, row.createdAt(), row.updatedAt());
  }

  private static void encode(ExperimentRow row, RowBinaryWriter out) {
    out.writeInt64(row.id());
    out.writeString(row.key());
    out.writeString(row.name());
    out.writeNullableString(row.description());
    out.writeString(row.status());
    out.writeNullableString(row.seed());
    out.writeInt32(row.version());
    out.writeNullableString(row.config());
    out.writeNullableDateTime64(row.startsAt());
    out.writeNullableDateTime64(row.endsAt());
    out.writeDateTime64(row.createdAt());
    out.writeDateTime64(row.updatedAt());
  }

  private static void encode(VariantRow row, RowBinaryWriter out) {
    out.writeInt64(row.id());
    out.writeInt64(row.experimentId());
    out.writeString(row.key());
    out.writeString(row.name());
    out.writeNullableString(row.description());
    out.writeInt32(row.allocationPct());
    out.writeBool(row.control());
    out.writeNullableString(row.config());
    out.writeDateTime64(row.createdAt());
    out.writeDateTime64(row.updatedAt());
  }

  private static void encode(UserRow row, RowBinaryWriter out) {
    out.writeString(row.userId());
    out.writeNullableString(row.email());
    out.writeNullableString(row.name());
    out.writeNullableString(row.properties());
    out.writeBool(row.active());
    out.writeDateTime64(row.createdAt());
    out.writeDateTime64(row.updatedAt());
  }
}
