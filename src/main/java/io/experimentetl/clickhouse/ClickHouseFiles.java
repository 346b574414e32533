package io.experimentetl.clickhouse;

import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Files of rows from and to ClickHouse, in Parquet or any other of its formats. The server needs no
 * access to the files: they are parts of the request and the answer. It answers only when a query
 * is complete, so an error never leaves a short file.
 */
public final class ClickHouseFiles implements AutoCloseable {
  private static final Map<String, String> INSERT_ALWAYS =
      Map.of(
          "insert_deduplicate", "0",
          "async_insert", "0",
          "async_insert_deduplicate", "0",
          "deduplicate_blocks_in_dependent_materialized_views", "0");

  private static final String QUERY = "text/plain; charset=UTF-8";

  private final ClickHouseHttp http;
  private final Duration timeout;

  /**
   * Connects to nothing yet.
   *
   * @param timeout of one request with its answer
   * @throws IOException if the password or a file of TLS can't be read
   */
  public ClickHouseFiles(ClickHouseConnection server, Duration timeout) throws IOException {
    this.http = new ClickHouseHttp(server);
    this.timeout = timeout;
  }

  /**
   * A file that a query reads as the table {@code file}; the server holds its rows in memory.
   *
   * @param structure its columns, {@code name type, …}
   */
  public record Attached(Path file, String format, String structure) {}

  /**
   * Writes the output of a query to a file.
   *
   * @param sql ends with {@code FORMAT …}
   * @throws IOException if the server refuses or does not answer; the file is then of no use
   */
  public void download(String sql, Path to) throws IOException, InterruptedException {
    require(http.download(complete(), BodyPublishers.ofString(sql), QUERY, timeout, to));
  }

  /** The same, of a query that reads an attached file. */
  public void download(String sql, Attached attached, Path to)
      throws IOException, InterruptedException {
    AttachedRows rows = rows(attached);
    require(http.download(parameters(sql, rows), rows.body(), rows.contentType(), timeout, to));
  }

  /**
   * Runs an INSERT that reads an attached file. It always inserts: ClickHouse's deduplication of
   * equal blocks would leave out rows that were deleted since they were inserted before.
   *
   * @return the number of inserted rows
   * @throws IOException if the server refuses or does not answer
   */
  public long insert(String sql, Attached attached) throws IOException, InterruptedException {
    AttachedRows rows = rows(attached);
    Map<String, String> parameters = parameters(sql, rows);
    parameters.putAll(INSERT_ALWAYS);
    ClickHouseHttp.Answer answer = http.send(parameters, rows.body(), rows.contentType(), timeout);
    require(answer);
    return answer.writtenRows();
  }

  /**
   * Runs a query that reads an attached file, and returns its lines, split at tabs.
   *
   * @throws IOException if the server refuses or does not answer
   */
  public List<String[]> select(String sql, Attached attached)
      throws IOException, InterruptedException {
    AttachedRows rows = rows(attached);
    return ClickHouseHttp.lines(
        http.send(parameters(sql, rows), rows.body(), rows.contentType(), timeout));
  }

  /** Runs a query or a statement, and returns its lines, split at tabs. */
  public List<String[]> select(String sql) throws IOException, InterruptedException {
    return http.select(sql, complete(), timeout);
  }

  private static Map<String, String> complete() {
    Map<String, String> parameters = new LinkedHashMap<>();
    parameters.put("wait_end_of_query", "1");
    return parameters;
  }

  private static void require(ClickHouseHttp.Answer answer) throws IOException {
    if (!answer.succeeded()) {
      throw new ClickHouseHttp.RefusedException(answer);
    }
  }

  private static AttachedRows rows(Attached attached) throws IOException {
    return new AttachedRows(
        "file", attached.structure(), attached.format(), BodyPublishers.ofFile(attached.file()));
  }

  private static Map<String, String> parameters(String sql, AttachedRows rows) {
    Map<String, String> parameters = complete();
    parameters.put("query", sql);
    parameters.putAll(rows.parameters());
    return parameters;
  }

  @Override
  public void close() {
    http.close();
  }
}
