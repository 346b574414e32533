package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BiConsumer;

/**
 * Writes single blocks outside of a Flink job. A block with an id that the table already has is not
 * written again, as long as the server remembers its id; writing it again after an unknown outcome
 * is therefore safe if its rows replace themselves.
 */
public final class BlockWriter implements AutoCloseable {
  private final ClickHouseHttp http;

  /**
   * Connects to nothing yet.
   *
   * @throws IOException if the password is not where it should be
   */
  public BlockWriter(ClickHouseConnection connection) throws IOException {
    this.http = new ClickHouseHttp(connection);
  }

  /**
   * Writes rows as one block. Its id is the prefix and a UUID of its rows: two who write the same
   * rows at the same time write one block.
   *
   * @throws IOException if the block is not known to be written; the message quotes the server
   */
  public <T> void write(RowEncoder<T> encoder, List<T> rows, String prefix, Duration timeout)
      throws IOException, InterruptedException {
    TableSchema schema = encoder.schema();
    String id = prefix + UUID.nameUUIDFromBytes(block(schema.columns(), rows, encoder::encode));
    byte[] block =
        block(
            schema.insertColumns(),
            rows,
            (row, out) -> {
              encoder.encode(row, out);
              out.writeString(id);
            });
    CompressedBody body = new CompressedBody();
    body.append(block, block.length);
    ClickHouseHttp.Answer answer =
        http.insert(
            BatchTable.insertOf(schema.table(), schema.insertColumns()),
            body.toByteArray(),
            Map.of(
                "async_insert", "0",
                "insert_deduplicate", "1",
                "insert_deduplication_token", id),
            timeout);
    if (!answer.succeeded()) {
      throw new ClickHouseHttp.RefusedException(answer);
    }
  }

  private static <T> byte[] block(
      List<TableSchema.Column> columns, List<T> rows, BiConsumer<T, NativeWriter> encode) {
    NativeWriter out = new NativeWriter(columns);
    for (T row : rows) {
      encode.accept(row, out);
      out.endRow();
    }
    return out.toByteArray();
  }

  @Override
  public void close() {
    http.close();
  }
}
