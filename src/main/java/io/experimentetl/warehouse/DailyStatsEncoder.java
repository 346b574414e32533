package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.DailySums;

/** Rows of {@code experiment_daily_stats}. */
public final class DailyStatsEncoder implements RowEncoder<DailyStats> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          TableSchema.of("experiment_daily_stats")
              .column("experiment_id", "Int64")
              .column("variant_id", "Int64")
              .column("metric", "LowCardinality(String)")
              .column("day", "Date32")
              .column("exposures", "Int64")
              .column("active_users", "Int64")
              .column("converting_users", "Int64")
              .column("events", "Int64")
              .column("value_sum", "Decimal(38, 6)")
              .column("new_users", "Int64")
              .column("new_converters", "Int64")
              .column("d_sum", "Decimal(38, 6)")
              .column("d_sum_sq", "Decimal(76, 12)")
              .column("d_den_sum", "Decimal(38, 6)")
              .column("d_den_sum_sq", "Decimal(76, 12)")
              .column("d_num_den", "Decimal(76, 12)")
              .column("d_x_sum", "Decimal(38, 6)")
              .column("d_x_sum_sq", "Decimal(76, 12)")
              .column("d_xy", "Decimal(76, 12)")
              .column("kind", "LowCardinality(String)")
              .column("closed", "Bool"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(DailyStats row) {
    return PartitionOf.yearOrDecade(row.key().dayEpoch());
  }

  @Override
  public void encode(DailyStats row, NativeWriter out) {
    DailySums sums = row.sums();
    out.writeInt64(row.key().experimentId());
    out.writeInt64(row.key().variantId());
    out.writeString(row.key().metric());
    out.writeDate32(row.key().dayEpoch());
    out.writeInt64(sums.exposures());
    out.writeInt64(sums.activeUsers());
    out.writeInt64(sums.convertingUsers());
    out.writeInt64(sums.events());
    out.writeDecimal128(sums.valueSum());
    out.writeInt64(sums.newUsers());
    out.writeInt64(sums.newConverters());
    out.writeDecimal128(sums.dSum());
    out.writeDecimal256(sums.dSumSq());
    out.writeDecimal128(sums.dDenSum());
    out.writeDecimal256(sums.dDenSumSq());
    out.writeDecimal256(sums.dNumDen());
    out.writeDecimal128(sums.dXSum());
    out.writeDecimal256(sums.dXSumSq());
    out.writeDecimal256(sums.dXY());
    out.writeString(row.kind());
    out.writeBool(row.closed());
    VersionColumns.write(row.version(), out);
  }
}
