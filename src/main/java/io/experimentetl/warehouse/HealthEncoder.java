package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.ExperimentHealth;

/** Rows of {@code experiment_health_daily}. */
public final class HealthEncoder implements RowEncoder<ExperimentHealth> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          TableSchema.of("experiment_health_daily")
              .column("experiment_id", "Int64")
              .column("day", "Date32")
              .column("variant_ids", "Array(Int64)")
              .column("assigned_users", "Array(Int64)")
              .column("exposed_users", "Array(Int64)")
              .column("weights", "Array(Float64)")
              .column("expected_users", "Array(Float64)")
              .column("crossover_users", "Int64")
              .column("exposures", "Int64")
              .column("srm_chi_square", "Float64")
              .column("srm_df", "Int32")
              .column("srm_p", "Float64"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(ExperimentHealth row) {
    return PartitionOf.yearOrDecade(row.dayEpoch());
  }

  @Override
  public void encode(ExperimentHealth row, NativeWriter out) {
    out.writeInt64(row.experimentId());
    out.writeDate32(row.dayEpoch());
    out.writeInt64Array(row.variantIds());
    out.writeInt64Array(row.assignedUsers());
    out.writeInt64Array(row.exposedUsers());
    out.writeFloat64Array(row.weights());
    out.writeFloat64Array(row.expectedUsers());
    out.writeInt64(row.crossoverUsers());
    out.writeInt64(row.exposures());
    out.writeFloat64(row.srmChiSquare());
    out.writeInt32(row.srmDegreesOfFreedom());
    out.writeFloat64(row.srmP());
    VersionColumns.write(row.version(), out);
  }
}
