package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.FindingCode;

/** Rows of {@code assignments_processed}. */
public final class AssignmentEncoder implements RowEncoder<AssignmentProcessed> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          TableSchema.of("assignments_processed")
              .column("id", "Int64")
              .column("experiment_id", "Int64")
              .column("user_id", "String")
              .column("variant_id", "Int64")
              .column("version", "Int32")
              .column("source", "LowCardinality(String)")
              .column("context", "Nullable(String)")
              .column("assigned_at", "DateTime64(6, 'UTC')")
              .column("enrolled_at", "Nullable(DateTime64(6, 'UTC'))")
              .column("created_at", "DateTime64(6, 'UTC')")
              .column("updated_at", "DateTime64(6, 'UTC')")
              .column("experiment_key", "LowCardinality(String)")
              .column("experiment_name", "LowCardinality(String)")
              .column("variant_key", "LowCardinality(String)")
              .column("variant_name", "LowCardinality(String)")
              .column("user_properties", "Nullable(String)")
              .column("day", "Date32")
              .column("inconsistencies", "Array(LowCardinality(String))"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(AssignmentProcessed row) {
    return PartitionOf.hundredMillion(row.assignment().id());
  }

  @Override
  public boolean isReplayStable(AssignmentProcessed row) {
    return row.version().isReplayStable(row.inconsistencies());
  }

  @Override
  public void encode(AssignmentProcessed row, RowBinaryWriter out) {
    AssignmentRow assignment = row.assignment();
    out.writeInt64(assignment.id());
    out.writeInt64(assignment.experimentId());
    out.writeString(assignment.userId());
    out.writeInt64(assignment.variantId());
    out.writeInt32(assignment.version());
    out.writeString(assignment.source());
    out.writeNullableString(assignment.context());
    out.writeDateTime64(assignment.assignedAt());
    out.writeNullableDateTime64(assignment.enrolledAt());
    out.writeDateTime64(assignment.createdAt());
    out.writeDateTime64(assignment.updatedAt());
    out.writeString(row.experimentKey());
    out.writeString(row.experimentName());
    out.writeString(row.variantKey());
    out.writeString(row.variantName());
    out.writeNullableString(row.userProperties());
    out.writeDate32(row.dayEpoch());
    out.writeStringArray(FindingCode.texts(row.inconsistencies()));
    VersionColumns.write(row.version(), out);
  }
}
