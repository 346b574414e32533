package io.experimentetl.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.DateTimeException;
import java.time.ZoneId;

/**
 * A row of {@code experiments}. Timestamps are microseconds since 1970 in UTC.
 *
 * @param status the platform's enum as text, whatever it says
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

  private static final ObjectMapper JSON = new ObjectMapper();

  /** The IANA zone of the experiment's days: {@code config.zone} where that names one. */
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
