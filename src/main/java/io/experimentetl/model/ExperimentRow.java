package io.experimentetl.model;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.Serializable;
import java.time.DateTimeException;
import java.time.ZoneId;

/**
 * A row of {@code experiments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param status the platform's enum as text, also unknown values
 * @param config JSON text, or null
 * @param startsAt null: open
 * @param endsAt null: open
 * @param sourceId the source's own id where {@code id} is a number made for it, or null
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
    long updatedAt,
    String sourceId)
    implements SourceRow, Serializable {
  private static final String NOT_A_NAME = "";

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
          .optional(SourceTable.SOURCE_ID, ColumnType.TEXT, ExperimentRow::sourceId)
          .read(ExperimentRow::read);

  /** A row with the source's own id. */
  public ExperimentRow(
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
      long updatedAt) {
    this(
        id,
        key,
        name,
        description,
        status,
        seed,
        version,
        config,
        startsAt,
        endsAt,
        createdAt,
        updatedAt,
        null);
  }

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
        row.micros("updated_at"),
        row.text(SourceTable.SOURCE_ID));
  }

  /**
   * The IANA zone of the experiment's days: {@code config.zone} if it names one, else the default.
   */
  public String zone(String defaultValue) {
    ZoneId zone = zoneOf(config);
    return zone == null ? defaultValue : zone.getId();
  }

  /** Whether {@code config.zone} names a zone, or is absent or null. */
  public boolean hasReadableZone() {
    return namedZone(config) == null || zoneOf(config) != null;
  }

  /** The zone that an experiment's config names; null: none, or its name is not a zone's. */
  public static ZoneId zoneOf(String config) {
    String name = namedZone(config);
    try {
      return name == null ? null : ZoneId.of(name);
    } catch (DateTimeException notAZone) {
      return null;
    }
  }

  /** The value of the key zone; empty if it is no text; null if there is none. */
  private static String namedZone(String config) {
    if (config == null) {
      return null;
    }
    String name = null;
    try (JsonParser parser = Json.FACTORY.createParser(config)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        return null;
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean isZone = parser.currentName().equals("zone");
        JsonToken value = parser.nextToken();
        if (isZone && value == JsonToken.VALUE_NULL) {
          name = null;
        } else if (isZone) {
          name = value == JsonToken.VALUE_STRING ? parser.getText() : NOT_A_NAME;
        }
        parser.skipChildren();
      }
      return name;
    } catch (IOException notJson) {
      return NOT_A_NAME;
    }
  }
}
