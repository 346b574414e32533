package io.experimentetl.clickhouse;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.flink.core.fs.FSDataOutputStream;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;

/**
 * Collects rows by partition and seals them into batches: at a limit, to free memory, and all of
 * them at a checkpoint.
 */
final class BatchSealer<T> {

  /** The kind of a sealer's rows. */
  enum Kind {
    /** Rows that a checkpoint contains. */
    ROWS,
    /** Early-written rows, which no checkpoint contains. */
    EARLY
  }

  private static final int MAX_SPARE = 4;
  private static final int MIN_SHARE = 64;
  private static final byte[] NO_BYTES = new byte[0];

  private final RowEncoder<T> encoder;
  private final Kind kind;
  private final TableSchema schema;
  private final List<TableSchema.Column> columns;
  private final BatchLimits limits;
  private final BatchIds ids;
  private final String folder;
  private final long sealedAfter;
  private final LongSupplier clock;
  private final SinkMemory memory;

  private final Map<Long, OpenBatch<T>> open = new HashMap<>();
  private final ArrayDeque<OpenBatch<T>> spare = new ArrayDeque<>();
  private final List<SealedBatch> sealed = new ArrayList<>();
  private final GrowingBytes block = new GrowingBytes(0);
  private OpenBatch<T> last;
  private long heldBytes;
  private long inlineBytes;
  private long pendingRows;
  private long sealedEarly;
  private long spilled;

  /**
   * Creates a sealer without rows.
   *
   * @param kind the kind of its rows; early writes are never spilled to files
   * @param folder URI of the folder for batches above the inline limit; empty: no batch is spilled
   * @param sealedAfter the checkpoint that the writer was restored from, -1 if from none
   * @param clock milliseconds since 1970
   * @param memory shared with other sealers
   */
  BatchSealer(
      RowEncoder<T> encoder,
      Kind kind,
      BatchLimits limits,
      BatchIds ids,
      String folder,
      long sealedAfter,
      LongSupplier clock,
      SinkMemory memory) {
    this.encoder = encoder;
    this.kind = kind;
    this.schema = encoder.schema();
    this.columns = schema.insertColumns();
    this.limits = limits;
    this.ids = ids;
    this.folder = folder;
    this.sealedAfter = sealedAfter;
    this.clock = clock;
    this.memory = memory;
  }

  /**
   * Adds a row.
   *
   * @throws UnencodableValueException if the table cannot hold it; the batch is unchanged
   */
  void add(T row) throws IOException {
    OpenBatch<T> batch = batchOf(encoder.partition(row));
    long before = batch.heldBytes();
    try {
      batch.add(row);
    } catch (UnencodableValueException e) {
      throw new UnencodableValueException(
          "A row for table " + schema.table() + " cannot be encoded: " + e.getMessage() + ".", e);
    }
    hold(batch.heldBytes() - before);
    pendingRows++;
    if (batch.rows() >= limits.rows() || batch.rawBytes() >= limits.bytes()) {
      seal(batch);
    }
    makeRoom();
  }

  /**
   * Drops spare buffers first, then seals the fullest batch. A table that holds little of the
   * shared memory does not seal small batches: the tables that hold more free memory with their
   * next row.
   */
  private void makeRoom() throws IOException {
    while (heldBytes > limits.openBytes()
        || (memory.isOver() && heldBytes > memory.limit() / MIN_SHARE)) {
      if (!spare.isEmpty()) {
        hold(-spare.pop().heldBytes());
      } else if (!open.isEmpty()) {
        sealFullest();
      } else {
        return;
      }
    }
  }

  private void hold(long bytes) {
    if (bytes != 0) {
      heldBytes += bytes;
      memory.add(bytes);
    }
  }

  private OpenBatch<T> batchOf(long partition) throws IOException {
    if (last != null && last.partition() == partition) {
      return last;
    }
    OpenBatch<T> batch = open.get(partition);
    if (batch == null) {
      if (open.size() >= limits.openPartitions()) {
        sealFullest();
      }
      batch = spare.poll();
      if (batch == null) {
        batch = new OpenBatch<>(encoder, block);
        hold(batch.heldBytes());
      }
      batch.begin(kind == Kind.EARLY ? ids.nextEarly() : ids.next(), partition);
      open.put(partition, batch);
    }
    last = batch;
    return batch;
  }

  private void sealFullest() throws IOException {
    sealedEarly++;
    seal(open.values().stream().max(Comparator.comparingLong(OpenBatch::heldBytes)).orElseThrow());
  }

  private void seal(OpenBatch<T> batch) throws IOException {
    open.remove(batch.partition());
    if (last == batch) {
      last = null;
    }
    long before = batch.heldBytes();
    if (batch.rows() > 0) {
      sealed.add(sealedBatch(batch));
    }
    hold(batch.heldBytes() - before);
    if (spare.size() < MAX_SPARE && heldBytes <= limits.openBytes()) {
      spare.push(batch);
    } else {
      hold(-batch.heldBytes());
    }
  }

  private SealedBatch sealedBatch(OpenBatch<T> batch) throws IOException {
    CompressedBody compressed = batch.seal();
    byte[] body = NO_BYTES;
    String file = "";
    if (staysInline(compressed.size())) {
      body = compressed.toByteArray();
      inlineBytes += body.length;
      memory.add(body.length);
    } else {
      file = writeFile(batch.id(), compressed);
      spilled++;
    }
    return new SealedBatch(
        schema.table(),
        batch.id(),
        batch.partition(),
        batch.rows(),
        batch.rawBytes(),
        clock.getAsLong(),
        sealedAfter,
        columns,
        body,
        file);
  }

  /**
   * Whether the bytes are stored in the checkpoint.
   *
   * @throws IOException if they must be, and there is no memory for them
   */
  private boolean staysInline(int bytes) throws IOException {
    boolean fits = inlineBytes + bytes <= limits.openBytes() && !memory.isOver();
    if (!folder.isEmpty()) {
      return fits && bytes <= limits.inlineBytes();
    }
    if (!memory.isOver() || kind != Kind.ROWS) {
      return true;
    }
    throw new IOException(
        "The sinks of this TaskManager hold "
            + memory.held()
            + " bytes until the next checkpoint, more than the maximum of "
            + memory.limit()
            + " (a quarter of the heap); table "
            + schema.table()
            + " has "
            + pendingRows
            + " of the rows. Nothing is lost: the job restarts from its last checkpoint. Remedy: set a"
            + " folder for batches (clickhouse.spill-directory, or execution.checkpointing.dir), take"
            + " checkpoints more often, or give the TaskManager more heap.");
  }

  private String writeFile(String id, CompressedBody body) throws IOException {
    Path path = new Path(new Path(folder), schema.table() + "-" + id + ".native.lz4");
    FileSystem files = path.getFileSystem();
    try (FSDataOutputStream out = files.create(path, FileSystem.WriteMode.NO_OVERWRITE)) {
      out.write(body.buffer(), 0, body.size());
      out.sync();
    }
    return path.toString();
  }

  /** Seals all open batches and returns the batches sealed since the last call, oldest first. */
  List<SealedBatch> sealAll() throws IOException {
    for (OpenBatch<T> batch : new ArrayList<>(open.values())) {
      seal(batch);
    }
    return takeSealed();
  }

  /** Returns the batches that were sealed since the last call. */
  List<SealedBatch> takeSealed() {
    List<SealedBatch> all = new ArrayList<>(sealed);
    sealed.clear();
    memory.add(-inlineBytes);
    inlineBytes = 0;
    all.forEach(batch -> pendingRows -= batch.rows());
    return all;
  }

  boolean hasSealed() {
    return !sealed.isEmpty();
  }

  /** Bytes in memory: buffers, and sealed batches that are in no checkpoint yet. */
  long pendingBytes() {
    return heldBytes + inlineBytes;
  }

  /** The number of batches that were sealed below their limit, to free memory. */
  long sealedEarly() {
    return sealedEarly;
  }

  /** The number of rows that are in no checkpoint yet. */
  long pendingRows() {
    return pendingRows;
  }

  /** The number of batches that were written to a file. */
  long spilled() {
    return spilled;
  }

  /** Frees its share of the memory. */
  void close() {
    memory.add(-heldBytes - inlineBytes);
    heldBytes = 0;
    inlineBytes = 0;
    open.clear();
    spare.clear();
    sealed.clear();
  }
}
