package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.NativeWriter;
import io.experimentetl.clickhouse.PartitionOf;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;

/** Rows of {@code events_processed}. */
public final class EventEncoder implements RowEncoder<EventProcessed> {
  private static final long serialVersionUID = 1L;

  private static final TableSchema SCHEMA =
      VersionColumns.append(
          SourceColumns.append(TableSchema.of("events_processed"), EventRow.COLUMNS)
              .column("experiment_key", "String")
              .column("experiment_name", "String")
              .column("variant_key", "String")
              .column("variant_name", "String")
              .column("assigned_variant_id", "Nullable(Int64)")
              .column("assigned_variant_key", "String")
              .column("user_properties", "Nullable(String)")
              .column("day", "Date32")
              .column("inconsistencies", "Array(String)"));

  @Override
  public TableSchema schema() {
    return SCHEMA;
  }

  @Override
  public long partition(EventProcessed row) {
    return PartitionOf.monthOrDecade(row.event().occurredAt());
  }

  @Override
  public boolean isReplayStable(EventProcessed row) {
    return row.version().isReplayStable(row.inconsistencies());
  }

  @Override
  public long committedAt(EventProcessed row) {
    return row.version().committedAt();
  }

  @Override
  public void encode(EventProcessed row, NativeWriter out) {
    write(row.event(), out);
    out.writeString(row.experimentKey());
    out.writeString(row.experimentName());
    out.writeString(row.variantKey());
    out.writeString(row.variantName());
    out.writeNullableInt64(row.assignedVariantId());
    out.writeString(row.assignedVariantKey());
    out.writeNullableString(row.userProperties());
    out.writeDate32(row.dayEpoch());
    out.writeStringArray(FindingCode.texts(row.inconsistencies()));
    VersionColumns.write(row.version(), out);
  }

  /**
   * As {@link SourceColumns#write}, column by column: it is called for every row, and the values of
   * a declared column are boxed.
   */
  private static void write(EventRow event, NativeWriter out) {
    out.writeUuid(event.id().high(), event.id().low());
    out.writeNullableString(event.id().sourceId());
    out.writeDateTime64(event.occurredAt());
    out.writeInt64(event.experimentId());
    out.writeString(event.userId());
    out.writeNullableInt64(event.variantId());
    out.writeString(event.eventType());
    out.writeNullableDateTime64(event.assignmentAt());
    out.writeNullableString(event.properties());
    out.writeNullableString(event.sessionId());
    out.writeNullableString(event.requestId());
    out.writeNullableString(event.deviceId());
    out.writeNullableString(event.fact());
  }
}
