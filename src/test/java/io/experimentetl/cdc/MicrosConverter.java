package io.experimentetl.cdc;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Calendar;
import java.util.GregorianCalendar;
import java.util.Properties;
import java.util.TimeZone;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.postgresql.PGStatement;

/**
 * Converts timestamps with time zone to microseconds since 1970 in UTC; Debezium's own conversion
 * prints them as ISO text, which would have to be parsed again. Values outside 64 bits, such as
 * {@code infinity}, become {@link Long#MAX_VALUE} or {@link Long#MIN_VALUE}.
 */
public final class MicrosConverter implements CustomConverter<SchemaBuilder, RelationalColumn> {

  /** The schema's name, as Debezium names timestamps of this unit. */
  static final String SCHEMA = "io.debezium.time.MicroTimestamp";

  private static final TimeZone UTC = TimeZone.getTimeZone(ZoneOffset.UTC);
  private static final long MILLIS_PER_DAY = 86_400_000L;

  /** 1582-10-15: the first day that the calendar of {@link Timestamp} counts as PostgreSQL does. */
  private static final long GREGORIAN_MILLIS = -12_219_292_800_000L;

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
      return Timestamps.micros(time.toEpochSecond(), time.getNano());
    }
    if (value instanceof Timestamp timestamp) {
      return Timestamps.micros(
          Math.floorDiv(proleptic(timestamp.getTime()), 1000), timestamp.getNanos());
    }
    if (value instanceof ZonedDateTime time) {
      return Timestamps.micros(time.toEpochSecond(), time.getNano());
    }
    if (value instanceof String) {
      // The text of a column's default, such as now(). A value is required but never read.
      return 0L;
    }
    throw new IllegalArgumentException(
        "A timestamp with time zone came as " + value.getClass().getName() + ".");
  }

  /**
   * PostgreSQL counts every day by the Gregorian calendar, and so does the stream. The driver of
   * the snapshot builds a {@link Timestamp} whose year, month and day are PostgreSQL's, but in the
   * Julian calendar before 1582: a day apart in the year 200.
   */
  private static long proleptic(long millis) {
    if (millis >= GREGORIAN_MILLIS || millis == PGStatement.DATE_NEGATIVE_INFINITY) {
      return millis;
    }
    GregorianCalendar julian = new GregorianCalendar(UTC);
    julian.setTimeInMillis(millis);
    int year = julian.get(Calendar.YEAR);
    LocalDate firstOfMonth =
        LocalDate.of(
            julian.get(Calendar.ERA) == GregorianCalendar.BC ? 1 - year : year,
            julian.get(Calendar.MONTH) + 1,
            1);
    long day = firstOfMonth.toEpochDay() + julian.get(Calendar.DAY_OF_MONTH) - 1;
    return day * MILLIS_PER_DAY + Math.floorMod(millis, MILLIS_PER_DAY);
  }
}
