package io.experimentetl.clickhouse;

/**
 * The rows of one partition that are not sealed yet, encoded and mostly compressed. Its buffers are
 * reused for the next batch.
 */
final class OpenBatch<T> {

  /** A block's rows before compression. A longer block has a smaller head for each of its rows. */
  static final int BLOCK_BYTES = 1 << 20;

  /** No account counts the shared buffer of a block, so what a huge row made of it is freed. */
  private static final int MAX_KEPT_BYTES = 4 * BLOCK_BYTES;

  private final RowEncoder<T> encoder;
  private final NativeWriter tail;
  private final GrowingBytes block;
  private final CompressedBody body = new CompressedBody();
  private String id;
  private long partition;
  private long compressedRawBytes;
  private int rows;

  /**
   * Creates a batch without buffers for rows.
   *
   * @param block for the bytes of one block; shared with other batches of the thread
   */
  OpenBatch(RowEncoder<T> encoder, GrowingBytes block) {
    this.encoder = encoder;
    this.tail = new NativeWriter(encoder.schema().insertColumns());
    this.block = block;
  }

  /** Starts a batch without rows. */
  void begin(String newId, long newPartition) {
    id = newId;
    partition = newPartition;
    tail.clear();
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
    try {
      encoder.encode(row, tail);
      tail.writeString(id);
      tail.endRow();
    } catch (UnencodableValueException e) {
      tail.removeRow();
      throw e;
    }
    rows++;
    if (tail.size() >= BLOCK_BYTES) {
      compressTail();
    }
  }

  private void compressTail() {
    block.truncate(0);
    tail.writeTo(block);
    body.append(block.buffer(), block.size());
    compressedRawBytes += block.size();
    block.freeAbove(MAX_KEPT_BYTES);
    tail.clear();
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

  /**
   * Bytes before compression: exact once it is sealed, before that without the last block's head.
   */
  long rawBytes() {
    return compressedRawBytes + tail.size();
  }

  /** Bytes of its buffers, used or not. */
  long heldBytes() {
    return tail.heldBytes() + body.capacity();
  }

  /** Returns the batch's final bytes, valid until the next batch begins. */
  CompressedBody seal() {
    if (tail.size() > 0) {
      compressTail();
    }
    return body;
  }
}
