package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.lang.reflect.Proxy;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Calendar;
import java.util.GregorianCalendar;
import java.util.TimeZone;
import net.jqwik.api.Assume;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.junit.jupiter.api.Test;
import org.postgresql.PGStatement;

/** One time has one value, whether the snapshot's driver or the stream has read it. */
class MicrosConverterTest {
  private static CustomConverter.Converter converter() {
    RelationalColumn column =
        (RelationalColumn)
            Proxy.newProxyInstance(
                MicrosConverterTest.class.getClassLoader(),
                new Class<?>[] {RelationalColumn.class},
                (proxy, method, arguments) ->
                    method.getName().equals("typeName") ? "timestamptz" : null);
    CustomConverter.Converter[] registered = new CustomConverter.Converter[1];
    new MicrosConverter()
        .converterFor(
            column,
            new CustomConverter.ConverterRegistration<SchemaBuilder>() {
              @Override
              public void register(SchemaBuilder schema, CustomConverter.Converter converter) {
                registered[0] = converter;
              }
            });
    return registered[0];
  }

  /** As the driver builds it: the year, month and day of the text in the default calendar. */
  private static Timestamp ofDriver(int year, int month, int day) {
    GregorianCalendar calendar = new GregorianCalendar(TimeZone.getTimeZone("UTC"));
    calendar.clear();
    calendar.set(Calendar.ERA, year > 0 ? GregorianCalendar.AD : GregorianCalendar.BC);
    calendar.set(year > 0 ? year : 1 - year, month - 1, day, 3, 4, 5);
    Timestamp timestamp = new Timestamp(calendar.getTimeInMillis());
    timestamp.setNanos(123_456_000);
    return timestamp;
  }

  @Property
  void everyDayIsTheSameFromSnapshotAndStream(
      @ForAll @IntRange(min = -4712, max = 2400) int year,
      @ForAll @IntRange(min = 1, max = 12) int month,
      @ForAll @IntRange(min = 1, max = 28) int day) {
    // Ten days of October 1582 do not exist in the driver's calendar.
    Assume.that(year != 1582);
    OffsetDateTime streamed =
        OffsetDateTime.of(year, month, day, 3, 4, 5, 123_456_000, ZoneOffset.UTC);
    assertThat(converter().convert(ofDriver(year, month, day)))
        .isEqualTo(converter().convert(streamed))
        .isEqualTo(streamed.toEpochSecond() * 1_000_000 + 123_456);
  }

  @Test
  void infinityIsTheEndOfThe64Bits() {
    assertThat(converter().convert(new Timestamp(PGStatement.DATE_POSITIVE_INFINITY)))
        .isEqualTo(Long.MAX_VALUE);
    assertThat(converter().convert(new Timestamp(PGStatement.DATE_NEGATIVE_INFINITY)))
        .isEqualTo(Long.MIN_VALUE);
  }
}
