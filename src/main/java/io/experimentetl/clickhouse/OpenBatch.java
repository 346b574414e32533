package io.experimentetl.clickhouse;

/**
 * The rows of one partition that are not sealed yet, encoded and mostly compressed. Its buffers are
 * reused for the next batch.
 */
final class OpenBatch<T> {

  private static final int INITIAL_CAPACITY = 4 << 10;

  private final RowEncoder<T> encoder;
  private String id;
  private byte[] encodedId;
  private long partition;
  private final RowBinaryWriter tail = new RowBinaryWriter(INITIAL_CAPACITY);
  private final CompressedBody body = new CompressedBody();
  private long compressedRawBytes;
  private int rows;

  OpenBatch(RowEncoder<T> encoder) {
    this.encoder = encoder;
  }

  /** Starts a batch without rows. */
  void begin(String newId, long newPartition) {
    id = newId;
    partition = newPartition;
    RowBinaryWriter idWriter = new RowBinaryWriter(newId.length() + 1);
    idWriter.writeString(newId);
    encodedId = idWriter.toByteArray();
    tail.truncate(0);
    body.clear();
    compressedRawBytes = 0;
    rows = 0;
  }

  /**
   * Adds a row.
   *
   * @throws UnencodableValueException if a column cannot hold a value; the batch is unchanged
   */
  void add(T row) {
    int before = tail.size();
    try {
      encoder.encode(row, tail);
    } catch (UnencodableValueException e) {
      tail.truncate(before);
      throw e;
    }
    tail.writeEncoded(encodedId);
    rows++;
    if (tail.size() >= CompressedBody.FRAME_BYTES) {
      compressTail();
    }
  }

  private void compressTail() {
    body.append(tail.buffer(), tail.size());
    compressedRawBytes += tail.size();
    tail.truncate(0);
  }

  String id() {
    return id;
  }

  long partition() {
    return partition;
  }

  int rows() {
    return rows;
  }

  long rawBytes() {
    return compressedRawBytes + tail.size();
  }

  /** Bytes of its buffers, used or not. */
  long heldBytes() {
    return (long) tail.capacity() + body.capacity();
  }

  /** Returns the batch's final bytes, valid until the next batch begins. */
  CompressedBody seal() {
    if (tail.size() > 0) {
      compressTail();
    }
    return body;
  }
}
