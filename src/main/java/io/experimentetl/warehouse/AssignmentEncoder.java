package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
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
          SourceColumns.append(TableSchema.of("assignments_processed"), AssignmentRow.COLUMNS)
              .column("experiment_key", "LowCardinality(String)")
              .column("experiment_name", "LowCardinality(String)")
              .column("variant_key", "LowCardinality(String)")
              .column("variant_name", "LowCardinality(String)")
              .column("user_properties", "Nullable(String)")
              .column("day", "Date32")
              .column("assigned_sequence", "UInt64")
              .column("inconsistencies", "Array(LowCardinality(String))"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(AssignmentProcessed row) {
    return PartitionOf.bucket(row.assignment().id());
  }

  @Override
  public boolean isReplayStable(AssignmentProcessed row) {
    return row.version().isReplayStable(row.inconsistencies());
  }

  @Override
  public long committedAt(AssignmentProcessed row) {
    return row.version().committedAt();
  }

  @Override
  public void encode(AssignmentProcessed row, NativeWriter out) {
    SourceColumns.write(row.assignment(), AssignmentRow.COLUMNS, out);
    out.writeString(row.experimentKey());
    out.writeString(row.experimentName());
    out.writeString(row.variantKey());
    out.writeString(row.variantName());
    out.writeNullableString(row.userProperties());
    out.writeDate32(row.dayEpoch());
    out.writeUInt64(row.assignedSequence());
    out.writeStringArray(FindingCode.texts(row.inconsistencies()));
    VersionColumns.write(row.version(), out);
  }
}
