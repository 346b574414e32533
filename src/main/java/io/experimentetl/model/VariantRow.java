package io.experimentetl.model;

import java.io.Serializable;

/**
 * A row of {@code variants}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param allocation the column {@code allocation_pct}: the weight of the variant. Percent or not,
 *     only the ratio of an experiment's weights counts
 * @param config JSON text, or null
 * @param sourceId the source's own id where {@code id} is a number made for it, or null
 */
public record VariantRow(
    long id,
    long experimentId,
    String key,
    String name,
    String description,
    double allocation,
    boolean control,
    String config,
    long createdAt,
    long updatedAt,
    String sourceId)
    implements SourceRow, Serializable {
  public static final RowColumns<VariantRow> COLUMNS =
      RowColumns.<VariantRow>declare()
          .key("id", ColumnType.BIGINT, VariantRow::id)
          .key("experiment_id", ColumnType.BIGINT, VariantRow::experimentId)
          .required("key", ColumnType.TEXT, VariantRow::key)
          .required("name", ColumnType.TEXT, VariantRow::name)
          .nullable("description", ColumnType.TEXT, VariantRow::description)
          .required("allocation_pct", ColumnType.NUMBER, VariantRow::allocation)
          .required("is_control", ColumnType.BOOL, VariantRow::control)
          .nullable("config", ColumnType.JSON, VariantRow::config)
          .required("created_at", ColumnType.TIMESTAMP, VariantRow::createdAt)
          .required("updated_at", ColumnType.TIMESTAMP, VariantRow::updatedAt)
          .optional(SourceTable.SOURCE_ID, ColumnType.TEXT, VariantRow::sourceId)
          .read(VariantRow::read);

  /** A row with the source's own id. */
  public VariantRow(
      long id,
      long experimentId,
      String key,
      String name,
      String description,
      double allocation,
      boolean control,
      String config,
      long createdAt,
      long updatedAt) {
    this(
        id,
        experimentId,
        key,
        name,
        description,
        allocation,
        control,
        config,
        createdAt,
        updatedAt,
        null);
  }

  private static VariantRow read(RowCursor row) {
    return new VariantRow(
        row.bigint("id"),
        row.bigint("experiment_id"),
        row.text("key"),
        row.text("name"),
        row.text("description"),
        row.number("allocation_pct"),
        row.bool("is_control"),
        row.text("config"),
        row.micros("created_at"),
        row.micros("updated_at"),
        row.text(SourceTable.SOURCE_ID));
  }

  /** The same variant under other numbers. */
  public VariantRow numbered(long newId, long newExperimentId) {
    return new VariantRow(
        newId,
        newExperimentId,
        key,
        name,
        description,
        allocation,
        control,
        config,
        createdAt,
        updatedAt,
        sourceId);
  }
}
