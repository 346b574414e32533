package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.debezium.connector.postgresql.connection.wal2json.DateTimeFormat;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import org.apache.kafka.connect.errors.ConnectException;
import org.junit.jupiter.api.Test;

class ReplacedDateTimeFormatTest {

  private static final DateTimeFormatter AS_POSTGRES =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss[.SSSSSS]x", Locale.ROOT);

  private final DateTimeFormat format = DateTimeFormat.get();

  @Property
  void timestampsOfPostgresAreReadInAnySessionZone(
      @ForAll @LongRange(min = -62_135_596_800_000_000L, max = 253_402_300_000_000_000L)
          long micros,
      @ForAll @IntRange(min = -13, max = 14) int hours) {
    OffsetDateTime time =
        OffsetDateTime.ofInstant(
            Instant.EPOCH.plus(micros, ChronoUnit.MICROS), ZoneOffset.ofHours(hours));
    if (time.getYear() >= 1 && time.getYear() <= 9999) {
      assertThat(format.timestampWithTimeZoneToOffsetDateTime(AS_POSTGRES.format(time)))
          .isEqualTo(time);
    }
  }

  @Test
  void shortFractionsHalfHoursAndOtherErasAreRead() {
    assertThat(format.timestampWithTimeZoneToOffsetDateTime("2026-11-20 19:03:03.5+00"))
        .isEqualTo(OffsetDateTime.parse("2026-11-20T19:03:03.5Z"));
    assertThat(format.timestampWithTimeZoneToOffsetDateTime("2026-11-20 19:03:03+05:30"))
        .isEqualTo(OffsetDateTime.parse("2026-11-20T19:03:03+05:30"));
    assertThat(format.timestampWithTimeZoneToOffsetDateTime("0044-03-15 12:00:00+00 BC"))
        .isEqualTo(OffsetDateTime.parse("-0043-03-15T12:00:00Z"));
    assertThat(format.timestampWithTimeZoneToOffsetDateTime("12026-11-20 19:03:03+00"))
        .isEqualTo(OffsetDateTime.parse("+12026-11-20T19:03:03Z"));
    assertThat(format.timestampWithTimeZoneToOffsetDateTime("1880-01-01 00:00:00+00:53:28"))
        .isEqualTo(OffsetDateTime.parse("1880-01-01T00:00:00+00:53:28"));
    assertThat(format.timestampToInstant("2026-11-20 19:03:03.25"))
        .isEqualTo(Instant.parse("2026-11-20T19:03:03.25Z"));
    assertThat(format.date("2026-11-20")).isEqualTo(LocalDate.of(2026, 11, 20));
    assertThat(format.time("19:03:03.123456")).isEqualTo(LocalTime.parse("19:03:03.123456"));
    assertThat(format.timeWithTimeZone("19:03:03+02").toString()).isEqualTo("17:03:03Z");
  }

  @Test
  void unknownFormIsRefusedWithoutTheValue() {
    assertThatThrownBy(() -> format.timestampWithTimeZoneToOffsetDateTime("20.11.2026 secret"))
        .isInstanceOf(ConnectException.class)
        .hasMessageContaining("DateStyle")
        .hasMessageNotContaining("secret");
  }
}
