package io.experimentetl.clickhouse;

/** The rows of one partition that aren't sealed yet, encoded and mostly compressed. */
final class OpenBatch<T> {

  private static final int INITIAL_CAPACITY = 4 << 10;

  private final RowEncoder<T> encoder;
  private final String id;
  private final byte[] encodedId;
  private final long partition;
  private final RowBinaryWriter tail = new RowBinaryWriter(INITIAL_CAPACITY);
  private final CompressedBody body = new CompressedBody();
  private long compressedRawBytes;
  private int rows;

  OpenBatch(RowEncoder<T> encoder, String id, long partition) {
    this.encoder = encoder;
    this.id = id;
    this.partition = partition;
    RowBinaryWriter idWriter = new RowBinaryWriter(id.length() + 1);
    idWriter.writeString(id);
    this.encodedId = idWriter.toByteArray();
  }

  /**
   * Adds a row.
   *
   * @throws UnencodableValueException if it doesn't fit; the batch is as before
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

  /** What it holds in memory. */
  long heldBytes() {
    return (long) tail.capacity() + body.capacity() + encodedId.length;
  }

  /** The batch's bytes, for good. */
  byte[] seal() {
    if (tail.size() > 0) {
      compressTail();
    }
    return body.toByteArray();
  }
}
