package io.experimentetl.postgres.pgoutput;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.BigRange;
import net.jqwik.api.constraints.Scale;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The forms are those of the send functions in PostgreSQL's source. */
class BinaryValueTest {
  private static Object read(ValueFormat format, byte[] bytes) {
    byte[] within = new byte[bytes.length + 3];
    System.arraycopy(bytes, 0, within, 2, bytes.length);
    return BinaryValue.read(format, within, 2, bytes.length);
  }

  private static byte[] longs(long... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Long.BYTES);
    for (long value : values) {
      bytes.putLong(value);
    }
    return bytes.array();
  }

  private static byte[] shorts(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Short.BYTES);
    for (int value : values) {
      bytes.putShort((short) value);
    }
    return bytes.array();
  }

  @Test
  void integersOfEveryWidthAreLongs() {
    assertThat(read(ValueFormat.INTEGER, shorts(-2))).isEqualTo(-2L);
    assertThat(read(ValueFormat.INTEGER, ByteBuffer.allocate(4).putInt(-70_000).array()))
        .isEqualTo(-70_000L);
    assertThat(read(ValueFormat.INTEGER, longs(Long.MIN_VALUE))).isEqualTo(Long.MIN_VALUE);
  }

  @Test
  void floatIsTheNumberThatItsShortestTextNames() {
    assertThat(read(ValueFormat.FLOAT, ByteBuffer.allocate(4).putFloat(0.1f).array()))
        .isEqualTo(0.1);
    assertThat(read(ValueFormat.FLOAT, ByteBuffer.allocate(8).putDouble(0.1).array()))
        .isEqualTo(0.1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1.5e10", "3.4028235e38", "1e-45", "2e-3", "16777216", "NaN"})
  void floatReadsAsPostgresPrintsIt(String printed) {
    byte[] sent = ByteBuffer.allocate(4).putFloat(Float.parseFloat(printed)).array();
    assertThat(read(ValueFormat.FLOAT, sent)).isEqualTo(Double.parseDouble(printed));
  }

  @Test
  void timeCountsFromTheYear2000() {
    assertThat(read(ValueFormat.TIMESTAMPTZ, longs(1_500_000)))
        .isEqualTo(
            new ValueFormat.Micros(
                Instant.parse("2000-01-01T00:00:01.500Z").toEpochMilli() * 1000));
  }

  @Test
  void infinitiesAndTheLastYearsAreTheEndsOf64Bits() {
    assertThat(read(ValueFormat.TIMESTAMPTZ, longs(Long.MAX_VALUE)))
        .isEqualTo(new ValueFormat.Micros(Long.MAX_VALUE));
    assertThat(read(ValueFormat.TIMESTAMP, longs(Long.MIN_VALUE)))
        .isEqualTo(new ValueFormat.Micros(Long.MIN_VALUE));
    assertThat(read(ValueFormat.TIMESTAMPTZ, longs(9_223_371_331_199_999_999L)))
        .isEqualTo(new ValueFormat.Micros(Long.MAX_VALUE));
  }

  @Test
  void uuidTextJsonAndBoolean() {
    UUID id = UUID.randomUUID();
    assertThat(
            read(
                ValueFormat.UUID, longs(id.getMostSignificantBits(), id.getLeastSignificantBits())))
        .isEqualTo(id);
    assertThat(read(ValueFormat.TEXT, "ä\uD83D\uDE00".getBytes(StandardCharsets.UTF_8)))
        .isEqualTo("ä\uD83D\uDE00");
    assertThat(read(ValueFormat.JSONB, "\u0001{\"a\": 1}".getBytes(StandardCharsets.UTF_8)))
        .isEqualTo("{\"a\": 1}");
    assertThat(read(ValueFormat.BOOL, new byte[] {1})).isEqualTo(true);
  }

  @Test
  void jsonWithoutAVersionIsReadWhereTheTypeIsGone() {
    assertThat(read(ValueFormat.JSONB, "[1]".getBytes(StandardCharsets.UTF_8))).isEqualTo("[1]");
    assertThat(read(ValueFormat.JSONB, new byte[0])).isEqualTo("");
  }

  @ParameterizedTest
  @EnumSource(
      value = ValueFormat.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"TEXT", "PADDED_TEXT", "JSON", "JSONB"})
  void valueOfTheWrongSizeIsRefused(ValueFormat format) {
    for (int size : new int[] {0, 3, 5, 7, 9, 17}) {
      assertThatThrownBy(() -> read(format, new byte[size]))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** Whatever the bytes are: no other exception, and no byte beside the value is read. */
  @Property(tries = 2000)
  void anyBytesAreAValueOrRefused(
      @ForAll ValueFormat format, @ForAll @Size(max = 40) byte[] bytes) {
    try {
      assertThat(read(format, bytes)).isNotNull();
    } catch (IllegalArgumentException refused) {
      assertThat(refused).hasMessageStartingWith("A value ");
    }
  }

  @Test
  void numericHasTheDigitsThatPostgresPrints() {
    assertThat(read(ValueFormat.NUMERIC, shorts(3, 1, 0, 3, 1, 2345, 6780))).isEqualTo("12345.678");
    assertThat(read(ValueFormat.NUMERIC, shorts(1, -3, 0, 9, 1000))).isEqualTo("0.000000001");
    assertThat(read(ValueFormat.NUMERIC, shorts(1, 1, 0x4000, 0, 1))).isEqualTo("-10000");
    assertThat(read(ValueFormat.NUMERIC, shorts(0, 0, 0, 2))).isEqualTo("0.00");
    assertThat(read(ValueFormat.NUMERIC, shorts(0, 0, 0xC000, 0))).isEqualTo("NaN");
    assertThat(read(ValueFormat.NUMERIC, shorts(0, 0, 0xF000, 32))).isEqualTo("-Infinity");
  }

  @Property(tries = 2000)
  void everyNumericReadsAsItsPlainText(
      @ForAll @BigRange(min = "-1e40", max = "1e40") @Scale(25) BigDecimal number) {
    assertThat(read(ValueFormat.NUMERIC, sent(number))).isEqualTo(number.toPlainString());
  }

  /** As {@code numeric_send} writes it: digits of base 10,000 without zeros at the ends. */
  private static byte[] sent(BigDecimal number) {
    int fraction = (number.scale() + 3) / 4;
    BigInteger whole =
        number.abs().setScale(4 * fraction, RoundingMode.UNNECESSARY).unscaledValue();
    Deque<Integer> digits = new ArrayDeque<>();
    while (whole.signum() != 0) {
      BigInteger[] parts = whole.divideAndRemainder(BigInteger.valueOf(10_000));
      digits.addFirst(parts[1].intValue());
      whole = parts[0];
    }
    int weight = digits.size() - fraction - 1;
    while (!digits.isEmpty() && digits.getLast() == 0) {
      digits.removeLast();
    }
    ByteBuffer bytes = ByteBuffer.allocate(8 + 2 * digits.size());
    bytes.putShort((short) digits.size());
    bytes.putShort((short) (digits.isEmpty() ? 0 : weight));
    bytes.putShort((short) (number.signum() < 0 ? 0x4000 : 0));
    bytes.putShort((short) number.scale());
    digits.forEach(digit -> bytes.putShort((short) (int) digit));
    return bytes.array();
  }
}
