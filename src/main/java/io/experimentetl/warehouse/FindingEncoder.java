package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.RowBinaryWriter;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.Finding;
import io.experimentetl.model.RowVersion;

/** Rows of {@code data_inconsistencies}. */
public final class FindingEncoder implements RowEncoder<Finding> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          TableSchema.of("data_inconsistencies")
              .column("code", "LowCardinality(String)")
              .column("subject", "String")
              .column("severity", "LowCardinality(String)")
              .column("status", "LowCardinality(String)")
              .column("experiment_id", "Nullable(Int64)")
              .column("user_id", "Nullable(String)")
              .column("event_id", "Nullable(UUID)")
              .column("detail", "String")
              .column("remedy", "String")
              .column("observed_at", "DateTime64(6, 'UTC')"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(Finding row) {
    return 0;
  }

  @Override
  public void encode(Finding row, RowBinaryWriter out) {
    out.writeString(row.code().code());
    out.writeString(row.subject());
    out.writeString(row.code().severity().name());
    out.writeString(row.open() ? "OPEN" : "RESOLVED");
    out.writeNullableInt64(row.experimentId() == 0 ? null : row.experimentId());
    out.writeNullableString(row.userId());
    out.writeNullableUuid(row.eventId() == null ? null : row.eventId().uuid());
    out.writeString(row.detail());
    out.writeString(row.code().remedy());
    out.writeDateTime64(row.observedAt());
    VersionColumns.write(
        new RowVersion(row.lsn(), row.observedAt(), row.version(), false, ""), out);
  }
}
