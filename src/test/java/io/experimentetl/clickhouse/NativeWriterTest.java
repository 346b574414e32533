package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.StringLength;
import org.junit.jupiter.api.Test;

class NativeWriterTest {

  @Property(tries = 300)
  void stringIsItsLengthAndItsUtf8(@ForAll @StringLength(max = 400) String text) {
    if (!NativeWriter.fitsString(text)) {
      assertThatThrownBy(() -> written("String", out -> out.writeString(text)))
          .isInstanceOf(UnencodableValueException.class);
      return;
    }
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    byte[] bytes = written("String", out -> out.writeString(text));

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
    assertThat(littleEndian(written("Decimal(38, 6)", out -> out.writeDecimal128(small))))
        .isEqualTo(small);
    BigInteger big = small.multiply(BigInteger.TEN.pow(37));
    assertThat(littleEndian(written("Decimal(76, 12)", out -> out.writeDecimal256(big))))
        .isEqualTo(big);
  }

  @Test
  void numbersAreLittleEndian() {
    assertThat(written("Int16", out -> out.writeInt16((short) -2))).containsExactly(0xFE, 0xFF);
    assertThat(written("UInt16", out -> out.writeUInt16(65535))).containsExactly(0xFF, 0xFF);
    assertThat(written("Int32", out -> out.writeInt32(1))).containsExactly(1, 0, 0, 0);
    assertThat(written("Int64", out -> out.writeInt64(-2)))
        .containsExactly(0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF);
    assertThat(written("Bool", out -> out.writeBool(true))).containsExactly(1);
    assertThat(written("Float64", out -> out.writeFloat64(1.0)))
        .containsExactly(0, 0, 0, 0, 0, 0, 0xF0, 0x3F);
  }

  @Test
  void nullsStandBeforeAllValues() {
    NativeWriter out = new NativeWriter(columns("Nullable(String)"));
    for (String text : new String[] {"a", null, "b"}) {
      out.writeNullableString(text);
      out.endRow();
    }

    assertThat(out.toByteArray()).endsWith(0, 1, 0, 1, 'a', 0, 1, 'b');
    assertThat(written("Nullable(Int64)", w -> w.writeNullableInt64(null)))
        .containsExactly(1, 0, 0, 0, 0, 0, 0, 0, 0);
    assertThat(written("Nullable(DateTime64(6, 'UTC'))", w -> w.writeNullableDateTime64(7L)))
        .containsExactly(0, 7, 0, 0, 0, 0, 0, 0, 0);
  }

  @Test
  void endsOfArraysStandBeforeAllElements() {
    NativeWriter out = new NativeWriter(columns("Array(Int32)"));
    for (int[] row : new int[][] {{7}, {}, {8, 9}}) {
      out.writeInt32Array(row);
      out.endRow();
    }

    assertThat(out.toByteArray())
        .endsWith(
            1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, //
            7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0);
  }

  @Test
  void labelIsTheNumberOfATextInTheBlocksDictionary() {
    NativeWriter out = new NativeWriter(columns("LowCardinality(String)"));
    for (String text : new String[] {"x", "y", new String("x")}) {
      out.writeString(text);
      out.endRow();
    }

    assertThat(out.toByteArray())
        .endsWith(
            1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, //
            2, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 1, 'y', //
            3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
  }

  @Test
  void rowThatIsRemovedLeavesTheOthers() {
    NativeWriter out = new NativeWriter(columns("Array(LowCardinality(String))"));
    NativeWriter without = new NativeWriter(columns("Array(LowCardinality(String))"));
    for (String text : new String[] {"x", "y"}) {
      out.writeStringArray(new String[] {text});
      out.endRow();
      without.writeStringArray(new String[] {text});
      without.endRow();
      assertThatThrownBy(() -> out.writeStringArray(new String[] {text, null}))
          .isInstanceOf(UnencodableValueException.class);
      out.removeRow();
    }

    assertThat(out.toByteArray()).isEqualTo(without.toByteArray());
  }

  @Test
  void valueOfAnotherTypeOrNumberIsAMistakeOfTheEncoder() {
    assertThatThrownBy(() -> written("Int32", out -> out.writeInt64(1)))
        .hasMessage("Column c is Int32, and was given a value of 8 bytes.");
    assertThatThrownBy(() -> written("Int64", out -> out.writeString("a")))
        .hasMessage("Column c is Int64, and was given a text.");
    assertThatThrownBy(() -> written("Int64", out -> out.writeNullableInt64(1L)))
        .hasMessage("Column c is Int64, which has no NULL.");
    assertThatThrownBy(() -> written("Int64", out -> out.writeInt64Array(new long[] {1})))
        .hasMessage("Column c is Int64, and was given an array.");
    assertThatThrownBy(() -> written("Int64", out -> {}))
        .hasMessage("A row has 0 values for 1 columns.");
    assertThatThrownBy(() -> new NativeWriter(columns("Tuple(Int8)")))
        .hasMessage("Column c: the sink cannot write the type Tuple(Int8).");
  }

  private static List<TableSchema.Column> columns(String type) {
    return TableSchema.of("t").column("c", type).columns();
  }

  @Test
  void dateRangesAreThoseOfClickHouse() {
    assertThat(NativeWriter.MIN_DATE_DAYS).isEqualTo(LocalDate.of(1900, 1, 1).toEpochDay());
    assertThat(NativeWriter.MAX_DATE_DAYS).isEqualTo(LocalDate.of(2299, 12, 31).toEpochDay());
    assertThat(NativeWriter.MIN_DATE_TIME_MICROS)
        .isEqualTo(LocalDateTime.of(1900, 1, 1, 0, 0).toEpochSecond(ZoneOffset.UTC) * 1_000_000);
    assertThat(NativeWriter.MAX_DATE_TIME_MICROS)
        .isEqualTo(
            LocalDateTime.of(2300, 1, 1, 0, 0).toEpochSecond(ZoneOffset.UTC) * 1_000_000 - 1);
  }

  @Test
  void valueOutOfRangeIsRejectedWithTheReason() {
    rejected(
        "DateTime64(6, 'UTC')",
        out -> out.writeDateTime64(NativeWriter.MAX_DATE_TIME_MICROS + 1),
        "DateTime64");
    rejected("DateTime64(6, 'UTC')", out -> out.writeDateTime64(Long.MIN_VALUE), "DateTime64");
    rejected("Date32", out -> out.writeDate32(NativeWriter.MIN_DATE_DAYS - 1), "Date32");
    rejected("Decimal(38, 6)", out -> out.writeDecimal128(BigInteger.TEN.pow(38)), "39 digits");
    rejected(
        "Decimal(76, 12)",
        out -> out.writeDecimal256(BigInteger.TEN.pow(76).negate()),
        "77 digits");
    rejected("UInt16", out -> out.writeUInt16(-1), "UInt16");
    rejected("String", out -> out.writeString(null), "NULL");
    rejected("String", out -> out.writeString("half a pair \uD83D!"), "surrogate");
  }

  @Test
  void limitsOfTheRangesAreAccepted() {
    assertThat(written("Date32", out -> out.writeDate32(NativeWriter.MAX_DATE_DAYS))).hasSize(4);
    assertThat(
            written(
                "DateTime64(6, 'UTC')",
                out -> out.writeDateTime64(NativeWriter.MIN_DATE_TIME_MICROS)))
        .hasSize(8);
    BigInteger nines = BigInteger.TEN.pow(38).subtract(BigInteger.ONE).negate();
    assertThat(littleEndian(written("Decimal(38, 6)", out -> out.writeDecimal128(nines))))
        .isEqualTo(nines);
  }

  private static void rejected(String type, Consumer<NativeWriter> write, String reason) {
    assertThatThrownBy(() -> written(type, write))
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

  /** The bytes of a column of one row, behind its name and type. */
  private static byte[] written(String type, Consumer<NativeWriter> write) {
    NativeWriter out = new NativeWriter(TableSchema.of("t").column("c", type).columns());
    write.accept(out);
    out.endRow();
    byte[] block = out.toByteArray();
    int head = 2 + 2 + 1 + type.length();
    assertThat(block).startsWith(1, 1, 1, 'c', type.length());
    return Arrays.copyOfRange(block, head, block.length);
  }
}
