package io.experimentetl.cdc;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.Properties;
import org.apache.kafka.connect.data.SchemaBuilder;

/**
 * Converts timestamps with time zone to microseconds since 1970 in UTC; Debezium's own conversion
 * prints them as ISO text, which would have to be parsed again. Values outside 64 bits, such as
 * {@code infinity}, become {@link Long#MAX_VALUE} or {@link Long#MIN_VALUE}.
 */
public final class MicrosConverter implements CustomConverter<SchemaBuilder, RelationalColumn> {

  /** The schema's name, as Debezium names timestamps of this unit. */
  static final String SCHEMA = "io.debezium.time.MicroTimestamp";

  @Override
  public void configure(Properties properties) {}

  @Override
  public void converterFor(
      RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
    if (column.typeName().equals("timestamptz")) {
      registration.register(SchemaBuilder.int64().name(SCHEMA), MicrosConverter::micros);
    }
  }

  private static Object micros(Object value) {
    if (value == null || value instanceof Long) {
      return value;
    }
    if (value instanceof OffsetDateTime time) {
      return micros(time.toEpochSecond(), time.getNano());
    }
    if (value instanceof Timestamp timestamp) {
      Instant time = timestamp.toInstant();
      return micros(time.getEpochSecond(), time.getNano());
    }
    if (value instanceof ZonedDateTime time) {
      return micros(time.toEpochSecond(), time.getNano());
    }
    if (value instanceof String) {
      // The text of a column's default, such as now(). A value is required but never read.
      return 0L;
    }
    throw new IllegalArgumentException(
        "A timestamp with time zone came as " + value.getClass().getName() + ".");
  }

  private static long micros(long seconds, int nanos) {
    if (seconds >= Long.MAX_VALUE / 1_000_000) {
      return Long.MAX_VALUE;
    }
    if (seconds <= Long.MIN_VALUE / 1_000_000) {
      return Long.MIN_VALUE;
    }
    return seconds * 1_000_000 + nanos / 1000;
  }
}
