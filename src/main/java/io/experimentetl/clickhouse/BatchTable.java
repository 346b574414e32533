package io.experimentetl.clickhouse;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The statements about one batch: inserts it, ends requests that still send it, finds its rows. */
final class BatchTable {

  /**
   * Makes one INSERT one part, for any profile of the server: the server joins the blocks of a
   * request until they have {@code min_insert_block_size_rows}, and a batch has fewer rows. With
   * {@code use_strict_insert_block_limits} it would also split at the maxima. The server keeps rows
   * of the batch that replace each other until a merge, so that they can be counted.
   */
  private static final Map<String, String> ONE_BLOCK =
      Map.ofEntries(
          Map.entry("async_insert", "0"),
          Map.entry("wait_end_of_query", "1"),
          Map.entry("optimize_on_insert", "0"),
          Map.entry("max_insert_threads", "1"),
          Map.entry("max_insert_block_size", "1048449"),
          Map.entry("min_insert_block_size_rows", "1048449"),
          Map.entry("min_insert_block_size_bytes", "0"),
          Map.entry("max_partitions_per_insert_block", "1"),
          Map.entry("throw_on_max_partitions_per_insert_block", "1"));

  /** Settings of newer servers. An older server refuses a setting that it does not know. */
  private static final Map<String, String> ONE_BLOCK_WHERE_KNOWN =
      Map.of(
          "deduplicate_insert", "disable",
          "max_insert_block_size_bytes", "0",
          "input_format_native_decode_types_in_binary_format", "0",
          "input_format_native_allow_types_conversion", "1",
          "input_format_max_block_wait_ms", "0",
          "input_format_connection_handling", "0");

  private static final int SESSION_NOT_FOUND = 372;
  private static final int SESSION_IS_LOCKED = 373;
  private static final long SESSION_MARGIN_SECONDS = 10;
  private static final long MAX_SESSION_SECONDS = 3600;

  private final ClickHouseHttp http;
  private final Duration timeout;
  private volatile Map<String, String> settings;

  BatchTable(ClickHouseHttp http, Duration timeout) {
    this.http = http;
    this.timeout = timeout;
  }

  /**
   * Sends the batch once.
   *
   * <p>The INSERT needs a session of the server and closes it. A network may deliver copies of the
   * request late and several times; the server accepts one of them, and none after {@link #fence}
   * has revoked the session. A session has no window, and does not survive a restart of the server.
   *
   * @param token whether to use the server's deduplication; without it, the server always writes
   *     the rows
   * @param singleUseSession whether the server accepts the request once only
   * @throws IOException if there is no answer; the outcome is unknown
   */
  Answer insert(
      SealedBatch batch, byte[] body, int attempt, boolean token, boolean singleUseSession)
      throws IOException, InterruptedException {
    Map<String, String> all = new LinkedHashMap<>(settings());
    if (singleUseSession) {
      long seconds = timeout.toSeconds() + SESSION_MARGIN_SECONDS;
      http.select(
          "SELECT 1",
          Map.of(
              "session_id",
              singleUseSession(batch),
              "session_timeout",
              Long.toString(Math.min(MAX_SESSION_SECONDS, seconds))),
          timeout);
      all.put("session_id", singleUseSession(batch));
      all.put("session_check", "1");
      all.put("close_session", "1");
    }
    all.put("max_execution_time", Long.toString(Math.max(1, timeout.toSeconds())));
    all.put("query_id", queryIdPrefix(batch) + attempt);
    all.put("insert_deduplicate", token ? "1" : "0");
    if (token) {
      all.replace("deduplicate_insert", "enable");
      all.put("insert_deduplication_token", batch.id());
    }
    return http.insert(insertOf(batch.table(), batch.columns()), body, all, timeout);
  }

  /** The INSERT of blocks into a table's columns. */
  static String insertOf(String table, List<TableSchema.Column> columns) {
    String names =
        columns.stream().map(column -> quoted(column.name())).collect(Collectors.joining(", "));
    return "INSERT INTO " + quoted(table) + " (" + names + ") FORMAT Native";
  }

  private Map<String, String> settings() throws IOException, InterruptedException {
    if (settings == null) {
      Set<String> known = new LinkedHashSet<>();
      String names =
          ONE_BLOCK_WHERE_KNOWN.keySet().stream()
              .map(ClickHouseReader::literal)
              .collect(Collectors.joining(", "));
      String sql = "SELECT name FROM system.settings WHERE name IN (" + names + ")";
      http.select(sql, Map.of(), timeout).forEach(line -> known.add(line[0]));
      Map<String, String> all = new LinkedHashMap<>(ONE_BLOCK);
      ONE_BLOCK_WHERE_KNOWN.forEach(
          (name, value) -> {
            if (known.contains(name)) {
              all.put(name, value);
            }
          });
      settings = all;
    }
    return settings;
  }

  /**
   * Ends requests of any process that still send the batch, and waits for their end. The server
   * refuses copies that arrive later.
   */
  void fence(SealedBatch batch) throws IOException, InterruptedException {
    boolean revoked = revokeSession(batch);
    endQueries(batch);
    if (!revoked && !revokeSession(batch)) {
      throw new IOException("The server is still writing " + batch.place() + ".");
    }
  }

  private void endQueries(SealedBatch batch) throws IOException, InterruptedException {
    http.select(
        "KILL QUERY WHERE user = currentUser() AND startsWith(query_id, "
            + ClickHouseReader.literal(queryIdPrefix(batch))
            + ") SYNC",
        Map.of(),
        timeout);
  }

  /** Closes the session. Returns false while a request uses it. */
  private boolean revokeSession(SealedBatch batch) throws IOException, InterruptedException {
    Map<String, String> closing =
        Map.of("session_id", singleUseSession(batch), "session_check", "1", "close_session", "1");
    try {
      http.select("SELECT 1", closing, timeout);
      return true;
    } catch (ClickHouseHttp.RefusedException e) {
      if (e.answer().exceptionCode() == SESSION_NOT_FOUND) {
        return true;
      }
      if (e.answer().exceptionCode() == SESSION_IS_LOCKED) {
        return false;
      }
      throw e;
    }
  }

  /** One name for all attempts, because any copy of the batch will do. */
  private static String singleUseSession(SealedBatch batch) {
    return queryIdPrefix(batch) + "session";
  }

  /** The number of the batch's rows in its partition. */
  long count(SealedBatch batch) throws IOException, InterruptedException {
    return number(
        "SELECT count() FROM "
            + quoted(batch.table())
            + " WHERE "
            + hasBatchId(batch)
            + " AND "
            + inPartition(batch));
  }

  /** Whether a row of the batch is in another partition than the encoder expects. */
  boolean isInAnotherPartition(SealedBatch batch) throws IOException, InterruptedException {
    return number(
            "SELECT count() FROM "
                + quoted(batch.table())
                + " WHERE "
                + hasBatchId(batch)
                + " AND NOT ("
                + inPartition(batch)
                + ")")
        > 0;
  }

  /**
   * The number of rows of the batch that are not in the table and were not replaced by a row of the
   * same key and the same or a higher version. In a table that is not a ReplacingMergeTree by
   * {@code _version}, no row can be replaced.
   *
   * @param blocks the batch's rows
   */
  long missing(SealedBatch batch, byte[] blocks) throws IOException, InterruptedException {
    List<String[]> tables =
        http.select(
            "SELECT sorting_key, engine LIKE '%ReplacingMergeTree' FROM system.tables"
                + " WHERE database = currentDatabase() AND name = "
                + ClickHouseReader.literal(batch.table()),
            Map.of(),
            timeout);
    boolean versioned =
        batch.columns().stream().anyMatch(column -> column.name().equals("_version"));
    if (tables.isEmpty() || !tables.get(0)[1].equals("1") || !versioned) {
      return batch.rows() - count(batch);
    }
    String key = "tuple(" + tables.get(0)[0].replace("\\'", "'") + ")";
    String structure =
        batch.columns().stream()
            .map(column -> quoted(column.name()) + " " + column.type())
            .collect(Collectors.joining(", "));
    String sql =
        "SELECT count() FROM (SELECT %1$s AS k, max(_version) AS v FROM batch GROUP BY k) AS b"
                .formatted(key)
            + " LEFT JOIN (SELECT %1$s AS k, max(_version) AS v FROM %2$s WHERE %3$s"
                .formatted(key, quoted(batch.table()), inPartition(batch))
            + " AND %1$s IN (SELECT %1$s FROM batch) GROUP BY k) AS t".formatted(key)
            + " ON b.k = t.k WHERE isNull(t.v) OR t.v < b.v";
    Map<String, String> reading = new LinkedHashMap<>();
    reading.put("join_use_nulls", "1");
    settings()
        .forEach(
            (name, value) -> {
              if (name.startsWith("input_format_native")) {
                reading.put(name, value);
              }
            });
    return Long.parseLong(http.selectOn(sql, structure, blocks, reading, timeout).get(0)[0]);
  }

  private long number(String sql) throws IOException, InterruptedException {
    return Long.parseLong(http.select(sql, Map.of(), timeout).get(0)[0]);
  }

  static String queryIdPrefix(SealedBatch batch) {
    return queryIdPrefix(batch.table()) + batch.id() + ".";
  }

  static String queryIdPrefix(String table) {
    return "experiment-etl." + table + ".";
  }

  private static String hasBatchId(SealedBatch batch) {
    return "_batch_id = " + ClickHouseReader.literal(batch.id());
  }

  private static String inPartition(SealedBatch batch) {
    String id = "_partition_id = '" + batch.partition() + "'";
    return batch.partition() == 0 ? "(" + id + " OR _partition_id = 'all')" : id;
  }

  static String quoted(String name) {
    return "`" + name + "`";
  }
}
