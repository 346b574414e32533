package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
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
              .column("subject_kind", "LowCardinality(String)")
              .column("subject_key", "String")
              .column("severity", "LowCardinality(String)")
              .column("status", "LowCardinality(String)")
              .column("experiment_id", "Nullable(Int64)")
              .column("user_id", "Nullable(String)")
              .column("event_id", "Nullable(UUID)")
              .column("source_id", "Nullable(String)")
              .column("event_timestamp", "Nullable(DateTime64(6, 'UTC'))")
              .column("detail", "String")
              .column("remedy", "String")
              .column("dead_letter_since", "Nullable(DateTime64(6, 'UTC'))")
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
  public void encode(Finding row, NativeWriter out) {
    out.writeString(row.code().code());
    out.writeString(row.subject().kind().text());
    out.writeString(row.subject().key());
    out.writeString(row.code().severity().name());
    out.writeString(row.open() ? "OPEN" : "RESOLVED");
    out.writeNullableInt64(row.experimentId() == 0 ? null : row.experimentId());
    out.writeNullableString(row.userId());
    out.writeNullableUuid(row.eventId() == null ? null : row.eventId().uuid());
    out.writeNullableString(row.eventId() == null ? null : row.eventId().sourceId());
    out.writeNullableDateTime64(eventTime(row));
    out.writeString(row.detail());
    out.writeString(row.code().remedy());
    out.writeNullableDateTime64(row.deadLetterSince());
    out.writeDateTime64(row.observedAt());
    VersionColumns.write(
        new RowVersion(row.lsn(), row.observedAt(), row.version(), false, ""), out);
  }

  /** Null where the finding is about no event, or about one whose time no column can hold. */
  private static Long eventTime(Finding row) {
    Long occurredAt = row.subject().occurredAt();
    return occurredAt != null && NativeWriter.fitsDateTime64(occurredAt) ? occurredAt : null;
  }
}
