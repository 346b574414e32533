package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TimestampsTest {

  @Property
  void everyMicrosecondOfPostgresIsReadAsItIsPrinted(
      @ForAll @LongRange(min = -210_866_803_200_000_000L, max = Long.MAX_VALUE - 1_000_000)
          long micros) {
    Instant instant = Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    assertThat(Timestamps.microsOfIso(instant.toString())).isEqualTo(micros);
    assertThat(
            Timestamps.microsOfIso(
                OffsetDateTime.ofInstant(instant, ZoneOffset.ofHours(-3)).toString()))
        .isEqualTo(micros);
  }

  @Property
  void thisCenturysTimestampsAreReadAsTheyArePrinted(
      @ForAll @LongRange(min = 0, max = 4_102_444_800_000_000L) long micros) {
    assertThat(Timestamps.microsOfIso(Instant.EPOCH.plus(micros, ChronoUnit.MICROS).toString()))
        .isEqualTo(micros);
  }

  @Test
  void leapDaysAndShortFractionsAreRead() {
    assertThat(Timestamps.microsOfIso("1970-01-01T00:00:00Z")).isZero();
    assertThat(Timestamps.microsOfIso("1970-01-01T00:00:00.1Z")).isEqualTo(100_000);
    assertThat(Timestamps.microsOfIso("1970-01-01T00:00:00.123456789Z")).isEqualTo(123_456);
    assertThat(Timestamps.microsOfIso("2024-02-29T23:59:59.999999Z"))
        .isEqualTo(1_709_251_199_999_999L);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "Infinity",
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01T24:00:01Z",
        "2023-01-01T00:00:00.12x456Z",
        "2023-01-01 00:00:00.123456Z"
      })
  void textThatIsNoTimestampIsRefused(String text) {
    assertThatThrownBy(() -> Timestamps.microsOfIso(text)).isInstanceOf(DateTimeException.class);
  }

  @Test
  void infinityAndYearsBeyond64BitsAreTheEndsOfThe64Bits() {
    assertThat(Timestamps.microsOfIso("infinity")).isEqualTo(Long.MAX_VALUE);
    assertThat(Timestamps.microsOfIso("-infinity")).isEqualTo(Long.MIN_VALUE);
    assertThat(Timestamps.microsOfIso("+294277-01-01T00:00:00Z")).isEqualTo(Long.MAX_VALUE);
    assertThat(Timestamps.microsOfIso("-294277-01-01T00:00:00Z")).isEqualTo(Long.MIN_VALUE);
  }
}
