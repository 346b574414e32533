package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.function.Consumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;

class RowBinaryWriterTest {

  @Property(tries = 300)
  void stringIsItsLengthAndItsUtf8(@ForAll @StringLength(max = 400) String text) {
    if (!RowBinaryWriter.fitsString(text)) {
      assertThatThrownBy(() -> written(out -> out.writeString(text)))
          .isInstanceOf(UnencodableValueException.class);
      return;
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    byte[] bytes = written(out -> out.writeString(text));

    int header = bytes.length - utf8.length;
    assertThat(Arrays.copyOfRange(bytes, header, bytes.length)).isEqualTo(utf8);
    int length = 0;
    for (int i = 0; i < header; i++) {
      length |= (bytes[i] & 0x7F) << (7 * i);
      assertThat(bytes[i] < 0).isEqualTo(i < header - 1);
    }
    assertThat(length).isEqualTo(utf8.length);
  }

  @Property(tries = 300)
  void decimalIsTwosComplementLittleEndian(@ForAll BigInteger any) {
    BigInteger small = any.mod(BigInteger.TEN.pow(38)).multiply(BigInteger.valueOf(any.signum()));
    assertThat(littleEndian(written(out -> out.writeDecimal128(small)))).isEqualTo(small);
    BigInteger big = small.multiply(BigInteger.TEN.pow(37));
    assertThat(littleEndian(written(out -> out.writeDecimal256(big)))).isEqualTo(big);
  }

  @Test
  void wholeNumbersAreLittleEndian() {
    assertThat(
            written(
                out -> {
                  out.writeInt16((short) -2);
                  out.writeUInt16(65535);
                  out.writeInt32(1);
                  out.writeInt64(-1);
                  out.writeBool(true);
                  out.writeFloat64(1.0);
                }))
        .containsExactly(
            0xFE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1,
            0, 0, 0, 0, 0, 0, 0xF0, 0x3F);
  }

  @Test
  void nullIsAOneAndAValueFollowsAZero() {
    assertThat(written(out -> out.writeNullableString(null))).containsExactly(1);
    assertThat(written(out -> out.writeNullableString("a"))).containsExactly(0, 1, 'a');
    assertThat(written(out -> out.writeNullableInt64(null))).containsExactly(1);
    assertThat(written(out -> out.writeNullableDateTime64(0L)))
        .containsExactly(0, 0, 0, 0, 0, 0, 0, 0, 0);
  }

  @Test
  void arrayIsItsLengthAndItsElements() {
    assertThat(written(out -> out.writeStringArray(new String[] {"x", ""})))
        .containsExactly(2, 1, 'x', 0);
    assertThat(written(out -> out.writeInt32Array(new int[] {7}))).containsExactly(1, 7, 0, 0, 0);
    assertThat(written(out -> out.writeFloat64Array(new double[] {1})))
        .containsExactly(1, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F);
    assertThat(written(out -> out.writeInt64Array(new long[0]))).containsExactly(0);
  }

  @Test
  void dateRangesAreThoseOfClickHouse() {
    assertThat(RowBinaryWriter.MIN_DATE_DAYS).isEqualTo(LocalDate.of(1900, 1, 1).toEpochDay());
    assertThat(RowBinaryWriter.MAX_DATE_DAYS).isEqualTo(LocalDate.of(2299, 12, 31).toEpochDay());
    assertThat(RowBinaryWriter.MIN_DATE_TIME_MICROS)
        .isEqualTo(LocalDateTime.of(1900, 1, 1, 0, 0).toEpochSecond(ZoneOffset.UTC) * 1_000_000);
    assertThat(RowBinaryWriter.MAX_DATE_TIME_MICROS)
        .isEqualTo(
            LocalDateTime.of(2300, 1, 1, 0, 0).toEpochSecond(ZoneOffset.UTC) * 1_000_000 - 1);
  }

  @Test
  void valueOutOfRangeIsRejectedWithTheReason() {
    rejected(out -> out.writeDateTime64(RowBinaryWriter.MAX_DATE_TIME_MICROS + 1), "DateTime64");
    rejected(out -> out.writeDateTime64(Long.MIN_VALUE), "DateTime64");
    rejected(out -> out.writeDate32(RowBinaryWriter.MIN_DATE_DAYS - 1), "Date32");
    rejected(out -> out.writeDecimal128(BigInteger.TEN.pow(38)), "39 digits");
    rejected(out -> out.writeDecimal256(BigInteger.TEN.pow(76).negate()), "77 digits");
    rejected(out -> out.writeUInt16(-1), "UInt16");
    rejected(out -> out.writeString(null), "NULL");
    rejected(out -> out.writeString("half a pair \uD83D!"), "surrogate");
  }

  @Test
  void limitsOfTheRangesAreAccepted() {
    assertThat(written(out -> out.writeDate32(RowBinaryWriter.MAX_DATE_DAYS))).hasSize(4);
    assertThat(written(out -> out.writeDateTime64(RowBinaryWriter.MIN_DATE_TIME_MICROS)))
        .hasSize(8);
    BigInteger nines = BigInteger.TEN.pow(38).subtract(BigInteger.ONE).negate();
    assertThat(littleEndian(written(out -> out.writeDecimal128(nines)))).isEqualTo(nines);
  }

  private static void rejected(Consumer<RowBinaryWriter> write, String reason) {
    assertThatThrownBy(() -> written(write))
        .isInstanceOf(UnencodableValueException.class)
        .hasMessageContaining(reason);
  }

  private static BigInteger littleEndian(byte[] bytes) {
    byte[] reversed = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      reversed[i] = bytes[bytes.length - 1 - i];
    }
    return new BigInteger(reversed);
  }

  private static byte[] written(Consumer<RowBinaryWriter> write) {
    RowBinaryWriter out = new RowBinaryWriter(1);
    write.accept(out);
    return out.toByteArray();
  }
}
