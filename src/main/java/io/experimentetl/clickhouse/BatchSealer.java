package io.experimentetl.clickhouse;

import java.io.IOException;
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
 * Gathers rows by partition and seals them into batches: at a limit, to make room, or all of them
 * at a checkpoint.
 */
final class BatchSealer<T> {

  private final RowEncoder<T> encoder;
  private final TableSchema schema;
  private final List<TableSchema.Column> columns;
  private final BatchLimits limits;
  private final BatchIds ids;
  private final String folder;
  private final long sealedAfter;
  private final LongSupplier clock;

  private final Map<Long, OpenBatch<T>> open = new HashMap<>();
  private final List<SealedBatch> sealed = new ArrayList<>();
  private OpenBatch<T> last;
  private long heldBytes;
  private long inlineBytes;
  private long sealedEarly;

  /**
   * A sealer without rows.
   *
   * @param folder URI for batches beyond the inline limit; empty: all stay inline
   * @param sealedAfter the checkpoint that the writer was restored from, -1 if from none
   * @param clock milliseconds since 1970
   */
  BatchSealer(
      RowEncoder<T> encoder,
      BatchLimits limits,
      BatchIds ids,
      String folder,
      long sealedAfter,
      LongSupplier clock) {
    this.encoder = encoder;
    this.schema = encoder.schema();
    this.columns = schema.insertColumns();
    this.limits = limits;
    this.ids = ids;
    this.folder = folder;
    this.sealedAfter = sealedAfter;
    this.clock = clock;
  }

  /**
   * Adds a row.
   *
   * @throws UnencodableValueException if it doesn't fit its table; nothing of it is kept
   */
  void add(T row) throws IOException {
    OpenBatch<T> batch = batchOf(encoder.partition(row));
    long before = batch.heldBytes();
    try {
      batch.add(row);
    } catch (UnencodableValueException e) {
      throw new UnencodableValueException(
          "A row for table " + schema.table() + " can't be encoded: " + e.getMessage() + ".", e);
    }
    heldBytes += batch.heldBytes() - before;
    if (batch.rows() >= limits.rows() || batch.rawBytes() >= limits.bytes()) {
      seal(batch);
    } else if (heldBytes > limits.openBytes()) {
      sealFullest();
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
      batch = new OpenBatch<>(encoder, ids.next(), partition);
      open.put(partition, batch);
      heldBytes += batch.heldBytes();
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
    heldBytes -= batch.heldBytes();
    if (last == batch) {
      last = null;
    }
    if (batch.rows() == 0) {
      return;
    }
    byte[] body = batch.seal();
    String file = "";
    if (!folder.isEmpty() && body.length > limits.inlineBytes()) {
      file = writeFile(batch.id(), body);
      body = new byte[0];
    }
    inlineBytes += body.length;
    sealed.add(
        new SealedBatch(
            schema.table(),
            batch.id(),
            encoder instanceof CutEncoder ? SealedBatch.Kind.CUT : SealedBatch.Kind.ROWS,
            batch.partition(),
            batch.rows(),
            batch.rawBytes(),
            clock.getAsLong(),
            sealedAfter,
            columns,
            body,
            file));
  }

  private String writeFile(String id, byte[] body) throws IOException {
    Path path = new Path(new Path(folder), schema.table() + "-" + id + ".rowbinary.lz4");
    FileSystem files = path.getFileSystem();
    try (FSDataOutputStream out = files.create(path, FileSystem.WriteMode.NO_OVERWRITE)) {
      out.write(body);
      out.sync();
    }
    return path.toString();
  }

  /** Seals what is open and hands over all batches sealed since the last call, oldest first. */
  List<SealedBatch> sealAll() throws IOException {
    for (OpenBatch<T> batch : new ArrayList<>(open.values())) {
      seal(batch);
    }
    List<SealedBatch> all = new ArrayList<>(sealed);
    sealed.clear();
    inlineBytes = 0;
    return all;
  }

  /** Bytes in memory: open batches and the sealed ones that no checkpoint has taken yet. */
  long pendingBytes() {
    return heldBytes + inlineBytes;
  }

  /** Batches sealed before their limit, to make room. */
  long sealedEarly() {
    return sealedEarly;
  }
}
