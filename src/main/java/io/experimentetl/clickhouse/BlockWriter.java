package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;

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
   * Writes rows as one block.
   *
   * @param id the block's {@code _batch_id}
   * @param rowBinary the rows, {@code _batch_id} included
   * @throws IOException if the block is not known to be written; the message quotes the server
   */
  public void write(TableSchema schema, String id, byte[] rowBinary, Duration timeout)
      throws IOException, InterruptedException {
    CompressedBody body = new CompressedBody();
    body.append(rowBinary, rowBinary.length);
    String columns =
        schema.insertColumns().stream()
            .map(column -> BatchTable.quoted(column.name()))
            .collect(Collectors.joining(", "));
    ClickHouseHttp.Answer answer =
        http.insert(
            "INSERT INTO %s (%s) FORMAT RowBinary"
                .formatted(BatchTable.quoted(schema.table()), columns),
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

  @Override
  public void close() {
    http.close();
  }
}
