package io.experimentetl.clickhouse;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import net.jpountz.lz4.LZ4Compressor;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * ClickHouse's compressed format, which an INSERT with {@code decompress=1} reads. It is a sequence
 * of frames: CityHash128 of the rest (16 bytes), the method LZ4 (1), the frame's size from the
 * method on (4), the size before compression (4), and an LZ4 block.
 */
final class CompressedBody {

  private static final Logger LOG = LoggerFactory.getLogger(CompressedBody.class);

  /**
   * A quarter of ClickHouse's {@code max_compress_block_size}, because LZ4 looks back 64 KiB only.
   */
  static final int FRAME_BYTES = 256 << 10;

  private static final int CHECKSUM = 16;
  private static final int HEADER = 9;
  private static final byte LZ4 = (byte) 0x82;
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final LZ4Factory FACTORY = fastest();

  private final LZ4Compressor compressor = FACTORY.fastCompressor();
  private byte[] bytes = new byte[0];
  private int size;

  /**
   * The native library, which takes a third of the Java form's time. The library itself takes it
   * only in the system's class loader, and a job has one of its own.
   */
  private static LZ4Factory fastest() {
    try {
      return LZ4Factory.nativeInstance();
    } catch (LinkageError | AssertionError e) {
      LOG.info("Batches are compressed in Java: LZ4's native library cannot be loaded here.", e);
      return LZ4Factory.fastestInstance();
    }
  }

  /** Adds the bytes, in as many frames as they need. */
  void append(byte[] raw, int length) {
    for (int from = 0; from < length; from += FRAME_BYTES) {
      appendFrame(raw, from, Math.min(FRAME_BYTES, length - from));
    }
  }

  private void appendFrame(byte[] raw, int from, int length) {
    int worst = CHECKSUM + HEADER + compressor.maxCompressedLength(length);
    if (size + worst > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(size + worst, size + size / 2));
    }
    int header = size + CHECKSUM;
    int block = header + HEADER;
    int compressed = compressor.compress(raw, from, length, bytes, block, bytes.length - block);
    bytes[header] = LZ4;
    INT.set(bytes, header + 1, HEADER + compressed);
    INT.set(bytes, header + 5, length);
    long[] checksum = checksum(bytes, header, HEADER + compressed);
    LONG.set(bytes, size, checksum[0]);
    LONG.set(bytes, size + 8, checksum[1]);
    size = block + compressed;
  }

  /**
   * ClickHouse's checksum is CityHash 1.0.2. The driver's class for it is deprecated without a
   * replacement.
   */
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

  /** Removes the frames and keeps the buffer. */
  void clear() {
    size = 0;
  }

  /**
   * Returns the rows before compression.
   *
   * @throws IOException if the stream is truncated or damaged
   */
  static byte[] decompress(byte[] body) throws IOException {
    LZ4SafeDecompressor decompressor = FACTORY.safeDecompressor();
    byte[] raw = new byte[Math.toIntExact(rawBytes(body))];
    int to = 0;
    for (int offset = 0; offset < body.length; offset += CHECKSUM + frameBytes(body, offset)) {
      int length = (int) INT.get(body, offset + CHECKSUM + 5);
      int compressed = frameBytes(body, offset) - HEADER;
      decompressor.decompress(body, offset + CHECKSUM + HEADER, compressed, raw, to, length);
      to += length;
    }
    return raw;
  }

  /**
   * Returns the number of bytes before compression, as recorded in the frames.
   *
   * @throws IOException if the stream is damaged, or ends in the middle of a frame
   */
  static long rawBytes(byte[] body) throws IOException {
    long total = 0;
    int offset = 0;
    while (offset < body.length) {
      int frame = frameBytes(body, offset);
      total += (int) INT.get(body, offset + CHECKSUM + 5);
      offset += CHECKSUM + frame;
    }
    if (offset != body.length) {
      throw new IOException(
          "The bytes of a batch end in the middle of a frame: restore another checkpoint.");
    }
    return total;
  }

  private static int frameBytes(byte[] body, int offset) throws IOException {
    if (offset + CHECKSUM + HEADER > body.length || body[offset + CHECKSUM] != LZ4) {
      throw new IOException(
          "The bytes of a batch are damaged at offset " + offset + ": restore another checkpoint.");
    }
    return (int) INT.get(body, offset + CHECKSUM + 1);
  }
}
