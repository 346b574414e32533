package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.ExperimentAllocation;

/** Rows of {@code experiment_allocations}. */
public final class AllocationEncoder implements RowEncoder<ExperimentAllocation> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          TableSchema.of("experiment_allocations")
              .column("experiment_id", "Int64")
              .column("phase", "Int32")
              .column("judged_as", "Int32")
              .column("from_sequence", "UInt64")
              .column("from_time", "DateTime64(6, 'UTC')")
              .column("variant_ids", "Array(Int64)")
              .column("weights", "Array(Float64)"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(ExperimentAllocation row) {
    return 0;
  }

  @Override
  public void encode(ExperimentAllocation row, NativeWriter out) {
    AllocationPhase phase = row.phase();
    out.writeInt64(row.experimentId());
    out.writeInt32(phase.number());
    out.writeInt32(row.judgedAs());
    out.writeUInt64(phase.fromSequence());
    out.writeDateTime64(phase.fromTime());
    out.writeInt64Array(phase.variantIds());
    out.writeFloat64Array(phase.weights());
    VersionColumns.write(row.version(), out);
  }
}
