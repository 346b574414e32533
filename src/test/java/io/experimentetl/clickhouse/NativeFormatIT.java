package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** ClickHouse reads the values that the writer writes. */
class NativeFormatIT {

  private static final int ROWS = 70_000;

  private static final List<TableSchema.Column> COLUMNS =
      TableSchema.of("t")
          .column("n", "Int64")
          .column("i16", "Int16")
          .column("u16", "UInt16")
          .column("i32", "Int32")
          .column("u64", "UInt64")
          .column("f", "Float64")
          .column("b", "Bool")
          .column("d128", "Decimal(38, 6)")
          .column("d256", "Decimal(76, 12)")
          .column("day", "Date32")
          .column("at", "DateTime64(6, 'UTC')")
          .column("s", "String")
          .column("low", "LowCardinality(String)")
          .column("ns", "Nullable(String)")
          .column("ni", "Nullable(Int64)")
          .column("nat", "Nullable(DateTime64(6, 'UTC'))")
          .column("strings", "Array(LowCardinality(String))")
          .column("longs", "Array(Int64)")
          .column("ints", "Array(Int32)")
          .column("numbers", "Array(Float64)")
          .column("id", "UUID")
          .column("nid", "Nullable(UUID)")
          .columns();

  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  @Test
  void everyTypeIsReadBackAsWritten() throws IOException, InterruptedException {
    ClickHouseEndpoint database = PLATFORM.newClickHouseDatabase("native");
    database.query(
        "CREATE TABLE t (%s) ENGINE = MergeTree ORDER BY n"
            .formatted(
                COLUMNS.stream()
                    .map(column -> column.name() + " " + column.type())
                    .collect(Collectors.joining(", "))));
    Random random = new Random(42);
    NativeWriter out = new NativeWriter(COLUMNS);
    CompressedBody body = new CompressedBody();
    List<String> expected = new ArrayList<>();
    for (int n = 0; n < ROWS; n++) {
      expected.add(writeRow(n, random, out));
      out.endRow();
      // Blocks of one row, and of many with more texts than a byte or two can number.
      if (n < 3 || n == ROWS / 10 || n == ROWS - 1) {
        byte[] block = out.toByteArray();
        body.append(block, block.length);
        out.clear();
      }
    }
    try (ClickHouseHttp http = new ClickHouseHttp(Reading.connectionTo(database))) {
      assertThat(
              http.insert(
                      "INSERT INTO t FORMAT Native",
                      body.toByteArray(),
                      Map.of("async_insert", "0"),
                      Duration.ofSeconds(30))
                  .problem())
          .startsWith("HTTP 200");
    }

    List<String> actual =
        database
            .query(
                """
                SELECT concatWithSeparator('|', toString(n), toString(i16), toString(u16),
                  toString(i32), toString(u64), toString(reinterpretAsUInt64(f)), toString(b),
                  toString(toInt128(d128 * 1000000)), toString(toInt256(d256 * 1000000000000)),
                  toString(toInt32(day)), toString(toUnixTimestamp64Micro(at)), lower(hex(s)),
                  lower(hex(low)), ifNull(lower(hex(ns)), 'NULL'), ifNull(toString(ni), 'NULL'),
                  ifNull(toString(toUnixTimestamp64Micro(nat)), 'NULL'),
                  lower(hex(arrayStringConcat(strings, ','))), toString(longs), toString(ints), toString(numbers),
                  toString(id), ifNull(toString(nid), 'NULL'))
                FROM t ORDER BY n""")
            .lines()
            .toList();
    assertThat(actual).containsExactlyElementsOf(expected);
  }

  /** Long because it writes a value of every column type. */
  private static String writeRow(int n, Random random, NativeWriter out) {
    short i16 = (short) random.nextInt();
    int u16 = random.nextInt(1 << 16);
    int i32 = random.nextInt();
    long u64 = random.nextLong();
    double f = random.nextGaussian() * 1e9;
    boolean b = random.nextBoolean();
    BigInteger d128 = signed(new BigInteger(1 + random.nextInt(100), random), random);
    BigInteger d256 = signed(new BigInteger(1 + random.nextInt(200), random), random);
    int day = random.nextInt(NativeWriter.MIN_DATE_DAYS, NativeWriter.MAX_DATE_DAYS + 1);
    long at =
        random.nextLong(NativeWriter.MIN_DATE_TIME_MICROS, NativeWriter.MAX_DATE_TIME_MICROS + 1);
    String s = text(random);
    String low = text(random);
    String ns = random.nextBoolean() ? null : text(random);
    Long ni = random.nextBoolean() ? null : Long.valueOf(random.nextLong());
    Long nat = random.nextBoolean() ? null : Long.valueOf(at);
    String[] strings = n == 1 ? new String[0] : new String[] {text(random), "x"};
    double[] numbers = {n, 0.5};
    long[] longs = random.longs(random.nextInt(4)).toArray();
    int[] ints = random.ints(random.nextInt(4)).toArray();
    UUID id = new UUID(random.nextLong(), random.nextLong());
    UUID nid = random.nextBoolean() ? null : id;
    out.writeInt64(n);
    out.writeInt16(i16);
    out.writeUInt16(u16);
    out.writeInt32(i32);
    out.writeUInt64(u64);
    out.writeFloat64(f);
    out.writeBool(b);
    out.writeDecimal128(d128);
    out.writeDecimal256(d256);
    out.writeDate32(day);
    out.writeDateTime64(at);
    out.writeString(s);
    out.writeString(low);
    out.writeNullableString(ns);
    out.writeNullableInt64(ni);
    out.writeNullableDateTime64(nat);
    out.writeStringArray(strings);
    out.writeInt64Array(longs);
    out.writeInt32Array(ints);
    out.writeFloat64Array(numbers);
    out.writeUuid(id.getMostSignificantBits(), id.getLeastSignificantBits());
    out.writeNullableUuid(nid);
    return String.join(
        "|",
        "" + n,
        "" + i16,
        "" + u16,
        "" + i32,
        Long.toUnsignedString(u64),
        Long.toUnsignedString(Double.doubleToRawLongBits(f)),
        "" + b,
        d128.toString(),
        d256.toString(),
        "" + day,
        "" + at,
        hex(s),
        hex(low),
        ns == null ? "NULL" : hex(ns),
        "" + (ni == null ? "NULL" : ni),
        "" + (nat == null ? "NULL" : nat),
        hex(String.join(",", strings)),
        java.util.Arrays.toString(longs).replace(" ", ""),
        java.util.Arrays.toString(ints).replace(" ", ""),
        "[" + n + ",0.5]",
        id.toString(),
        "" + (nid == null ? "NULL" : nid));
  }

  private static BigInteger signed(BigInteger number, Random random) {
    return random.nextBoolean() ? number : number.negate();
  }

  private static String text(Random random) {
    StringBuilder text = new StringBuilder();
    int length = random.nextInt(10) == 0 ? random.nextInt(500) : random.nextInt(20);
    for (int i = 0; i < length; i++) {
      int code =
          switch (random.nextInt(4)) {
            case 0 -> random.nextInt(0x80);
            case 1 -> random.nextInt(0x80, 0x800);
            case 2 -> random.nextInt(0x800, 0xD800);
            default -> random.nextInt(0x10000, 0x110000);
          };
      text.appendCodePoint(random.nextInt(3) == 0 ? code : 'a' + random.nextInt(26));
    }
    return text.toString();
  }

  private static String hex(String text) {
    return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
  }
}
