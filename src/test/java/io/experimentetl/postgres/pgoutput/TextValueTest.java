package io.experimentetl.postgres.pgoutput;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.postgres.pgoutput.ValueFormat.Micros;
import java.time.Instant;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Texts as PostgreSQL 17 prints them. */
class TextValueTest {

  @Test
  void eachFormatGivesWhatItsBinaryFormGives() {
    assertThat(TextValue.read(ValueFormat.BOOL, "t")).isEqualTo(true);
    assertThat(TextValue.read(ValueFormat.BOOL, "f")).isEqualTo(false);
    assertThat(TextValue.read(ValueFormat.INTEGER, "-32768")).isEqualTo(-32768L);
    assertThat(TextValue.read(ValueFormat.FLOAT, "0.1")).isEqualTo(0.1);
    assertThat(TextValue.read(ValueFormat.FLOAT, "-Infinity")).isEqualTo(Double.NEGATIVE_INFINITY);
    assertThat(TextValue.read(ValueFormat.NUMERIC, "12345.6780")).isEqualTo("12345.6780");
    assertThat(TextValue.read(ValueFormat.JSONB, "{\"a\": 1}")).isEqualTo("{\"a\": 1}");
    assertThat(TextValue.read(ValueFormat.TEXT_ONLY, "=r/owner")).isEqualTo("=r/owner");
    assertThat(TextValue.read(ValueFormat.OTHER, "10.0.0.0/8")).isEqualTo("10.0.0.0/8");
    UUID id = UUID.randomUUID();
    assertThat(TextValue.read(ValueFormat.UUID, id.toString())).isEqualTo(id);
  }

  @ParameterizedTest
  @CsvSource({
    "2026-11-20 14:03:03.123456+02, 2026-11-20T12:03:03.123456Z",
    "2026-11-20 14:03:03.1+05:30, 2026-11-20T08:33:03.1Z",
    "1880-01-01 00:00:00+00:53:28, 1879-12-31T23:06:32Z",
    "2026-11-20 14:03:03-11, 2026-11-21T01:03:03Z",
    "0001-02-29 00:00:00+00 BC, 0000-02-29T00:00:00Z",
    "0044-03-15 12:00:00+00 BC, -0043-03-15T12:00:00Z",
    "12026-01-01 00:00:00+00, +12026-01-01T00:00:00Z"
  })
  void timestampWithTimeZoneHasItsOffset(String text, Instant time) {
    assertThat(TextValue.read(ValueFormat.TIMESTAMPTZ, text))
        .isEqualTo(new Micros(time.getEpochSecond() * 1_000_000 + time.getNano() / 1_000));
  }

  @Test
  void timestampWithoutTimeZoneIsInUtc() {
    assertThat(TextValue.read(ValueFormat.TIMESTAMP, "1970-01-01 00:00:01.5"))
        .isEqualTo(new Micros(1_500_000));
  }

  @Test
  void infinitiesAndTheLastYearsAreTheEndsOf64Bits() {
    assertThat(TextValue.read(ValueFormat.TIMESTAMPTZ, "infinity"))
        .isEqualTo(new Micros(Long.MAX_VALUE));
    assertThat(TextValue.read(ValueFormat.TIMESTAMP, "-infinity"))
        .isEqualTo(new Micros(Long.MIN_VALUE));
    assertThat(TextValue.read(ValueFormat.TIMESTAMPTZ, "294276-12-31 23:59:59.999999+00"))
        .isEqualTo(new Micros(Long.MAX_VALUE));
  }

  @ParameterizedTest
  @CsvSource({
    "BOOL, true",
    "INTEGER, 1.5",
    "INTEGER, 9223372036854775808",
    "FLOAT, one",
    "UUID, 1-2",
    "TIMESTAMPTZ, 20.11.2026",
    "TIMESTAMP, 2026-02-30 00:00:00"
  })
  void otherTextIsRefused(ValueFormat format, String text) {
    assertThatThrownBy(() -> TextValue.read(format, text))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
