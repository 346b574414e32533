package io.experimentetl.clickhouse;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4FastDecompressor;

/**
 * ClickHouse's own compressed stream, as it takes it with {@code decompress=1}: frames of a
 * CityHash128 of the rest (16 bytes), the method LZ4 (1), the frame's size from the method on (4),
 * the size before compression (4), and an LZ4 block.
 */
final class CompressedBody {

  /** A quarter of ClickHouse's own {@code max_compress_block_size}: LZ4 looks back 64 KiB only. */
  static final int FRAME_BYTES = 256 << 10;

  private static final int CHECKSUM = 16;
  private static final int HEADER = 9;
  private static final byte LZ4 = (byte) 0x82;
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final LZ4Compressor compressor = LZ4Factory.fastestInstance().fastCompressor();
  private byte[] bytes = new byte[0];
  private int size;

  /** Adds one frame. */
  void append(byte[] raw, int length) {
    int worst = CHECKSUM + HEADER + compressor.maxCompressedLength(length);
    if (size + worst > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(size + worst, size + size / 2));
    }
    int header = size + CHECKSUM;
    int block = header + HEADER;
    int compressed = compressor.compress(raw, 0, length, bytes, block, bytes.length - block);
    bytes[header] = LZ4;
    INT.set(bytes, header + 1, HEADER + compressed);
    INT.set(bytes, header + 5, length);
    long[] checksum = checksum(bytes, header, HEADER + compressed);
    LONG.set(bytes, size, checksum[0]);
    LONG.set(bytes, size + 8, checksum[1]);
    size = block + compressed;
  }

  /** ClickHouse's checksum is CityHash 1.0.2; its driver's class for it has no successor. */
  @SuppressWarnings("deprecation")
  private static long[] checksum(byte[] bytes, int from, int length) {
    return com.clickhouse.data.ClickHouseCityHash.cityHash128(bytes, from, length);
  }

  int size() {
    return size;
  }

  int capacity() {
    return bytes.length;
  }

  byte[] toByteArray() {
    return Arrays.copyOf(bytes, size);
  }

  /** The buffer itself, valid up to {@link #size} until the next {@link #append}. */
  byte[] buffer() {
    return bytes;
  }

  /** Forgets the frames and keeps the buffer. */
  void clear() {
    size = 0;
  }

  /**
   * The rows before compression.
   *
   * @throws IOException if the stream is cut off or isn't one
   */
  static byte[] decompress(byte[] body) throws IOException {
    LZ4FastDecompressor decompressor = LZ4Factory.fastestInstance().fastDecompressor();
    byte[] raw = new byte[Math.toIntExact(rawBytes(body))];
    int to = 0;
    for (int at = 0; at < body.length; at += CHECKSUM + frameBytes(body, at)) {
      int length = (int) INT.get(body, at + CHECKSUM + 5);
      decompressor.decompress(body, at + CHECKSUM + HEADER, raw, to, length);
      to += length;
    }
    return raw;
  }

  /**
   * The number of bytes before compression, as the frames say.
   *
   * @throws IOException if the stream isn't one, or ends in the middle of a frame
   */
  static long rawBytes(byte[] body) throws IOException {
    long total = 0;
    int at = 0;
    while (at < body.length) {
      int frame = frameBytes(body, at);
      total += (int) INT.get(body, at + CHECKSUM + 5);
      at += CHECKSUM + frame;
    }
    if (at != body.length) {
      throw new IOException("A batch's bytes end in the middle of a frame.");
    }
    return total;
  }

  private static int frameBytes(byte[] body, int at) throws IOException {
    if (at + CHECKSUM + HEADER > body.length || body[at + CHECKSUM] != LZ4) {
      throw new IOException(
          "A batch's bytes are damaged at " + at + ": restore another checkpoint.");
    }
    return (int) INT.get(body, at + CHECKSUM + 1);
  }
}
