package io.experimentetl.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.DateTimeException;
import java.time.ZoneId;

/**
 * A row of {@code experiments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param status the platform's enum as text, also unknown values
 * @param config JSON text, or null
 * @param startsAt null: open
 * @param endsAt null: open
 */
public record ExperimentRow(
    long id,
    String key,
    String name,
    String description,
    String status,
    String seed,
    int version,
    String config,
    Long startsAt,
    Long endsAt,
    long createdAt,
    long updatedAt)
    implements SourceRow {
  public static final RowColumns<ExperimentRow> COLUMNS =
      RowColumns.<ExperimentRow>declare()
          .key("id", ColumnType.BIGINT, ExperimentRow::id)
          .required("key", ColumnType.TEXT, ExperimentRow::key)
          .required("name", ColumnType.TEXT, ExperimentRow::name)
          .nullable("description", ColumnType.TEXT, ExperimentRow::description)
          .required("status", ColumnType.LABEL, ExperimentRow::status)
          .nullable("seed", ColumnType.TEXT, ExperimentRow::seed)
          .required("version", ColumnType.INT, ExperimentRow::version)
          .nullable("config", ColumnType.JSON, ExperimentRow::config)
          .nullable("starts_at", ColumnType.TIMESTAMP, ExperimentRow::startsAt)
          .nullable("ends_at", ColumnType.TIMESTAMP, ExperimentRow::endsAt)
          .required("created_at", ColumnType.TIMESTAMP, ExperimentRow::createdAt)
          .required("updated_at", ColumnType.TIMESTAMP, ExperimentRow::updatedAt)
          .read(ExperimentRow::read);

  private static ExperimentRow read(RowCursor row) {
    return new ExperimentRow(
        row.bigint("id"),
        row.text("key"),
        row.text("name"),
        row.text("description"),
        row.text("status"),
        row.text("seed"),
        row.integer("version"),
        row.text("config"),
        row.microsOrNull("starts_at"),
        row.microsOrNull("ends_at"),
        row.micros("created_at"),
        row.micros("updated_at"));
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * The IANA zone of the experiment's days: {@code config.zone} if it names one, else the default.
   */
  public String zone(String defaultValue) {
    if (config == null) {
      return defaultValue;
    }
    try {
      JsonNode zone = JSON.readTree(config).path("zone");
      return zone.isTextual() ? ZoneId.of(zone.textValue()).getId() : defaultValue;
    } catch (JsonProcessingException | DateTimeException notAZone) {
      return defaultValue;
    }
  }
}
