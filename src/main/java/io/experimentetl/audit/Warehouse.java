package io.experimentetl.audit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.clickhouse.TableSchema;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** ClickHouse, read through its HTTP interface. */
final class Warehouse {
  /** How long ClickHouse keeps facts (sql/clickhouse/900_retention.sql), with a day to spare. */
  static final Duration RETENTION = Duration.ofDays(729);

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration GRACE = Duration.ofSeconds(10);

  /** How much of the source ClickHouse shows, from {@code etl_progress}. */
  record Progress(long sequenceNumber, long lsn, Instant committedAt, boolean snapshotDone) {
    /** The greatest {@code _version} of the rows at or before the cut. */
    long versionBound() {
      return versionBoundOf(sequenceNumber);
    }
  }

  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();
  private final AuditSettings settings;
  private final Deadline deadline;
  private final URI endpoint;
  private final String authorization;

  Warehouse(AuditSettings settings, Deadline deadline) {
    this.settings = settings;
    this.deadline = deadline;
    // With wait_end_of_query an error in the middle of the answer is an error of the answer. All
    // versions of a row share a partition.
    try {
      this.endpoint =
          new URI(
              settings.clickhouseUrl()
                  + "/?wait_end_of_query=1&do_not_merge_across_partitions_select_final=1&default_format=JSONCompactEachRow&database="
                  + URLEncoder.encode(settings.clickhouseDatabase(), StandardCharsets.UTF_8));
    } catch (URISyntaxException e) {
      throw new CannotCompareException(
          "ClickHouse's address "
              + settings.clickhouseUrl()
              + " is none: give http://host:port with --clickhouse-url or as clickhouse.url in the configuration.",
          e);
    }
    this.authorization =
        "Basic "
            + Base64.getEncoder()
                .encodeToString(
                    (settings.clickhouseUser() + ":" + settings.clickhousePassword())
                        .getBytes(StandardCharsets.UTF_8));
  }

  /** The greatest {@code _version} that the change with this stamp, or this LSN, can have. */
  static long versionBoundOf(long sequenceNumber) {
    return sequenceNumber * 1024 + 1023;
  }

  /** Empty: no cut is visible yet. */
  Optional<Progress> progress() {
    List<JsonNode> rows =
        rows(
            "SELECT sequence_number, lsn, toUnixTimestamp64Micro(committed_at), snapshot_done FROM etl_progress");
    if (rows.isEmpty()) {
      return Optional.empty();
    }
    JsonNode row = rows.get(0);
    long micros = row.get(2).asLong();
    return Optional.of(
        new Progress(
            row.get(0).asLong(),
            row.get(1).asLong(),
            Instant.ofEpochSecond(
                Math.floorDiv(micros, 1_000_000), Math.floorMod(micros, 1_000_000) * 1000L),
            row.get(3).asBoolean()));
  }

  /** Whether the retention is set: a warehouse of old data goes without. */
  boolean expires(String table) {
    return !rows("SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = '"
            + table
            + "' AND engine_full LIKE '% TTL %'")
        .isEmpty();
  }

  List<JsonNode> rows(String sql) {
    List<JsonNode> rows = new ArrayList<>();
    read(sql, rows::add);
    return rows;
  }

  /**
   * Hands over the rows of the answer, each an array of its columns.
   *
   * @throws CannotCompareException when there is no answer
   */
  void read(String sql, Consumer<JsonNode> row) {
    send(endpoint, HttpRequest.BodyPublishers.ofString(sql), row, this::refused);
  }

  /**
   * Writes rows as one block, as the job's sink does: a block that is there already is not written
   * again.
   *
   * @param id the block's {@code _batch_id}, by which the server knows it again
   * @param rowBinary the rows, {@code _batch_id} included
   * @throws CannotCompareException when it is not known to be written
   */
  void insert(TableSchema schema, String id, byte[] rowBinary) {
    String columns =
        Stream.concat(schema.columns().stream(), Stream.of(TableSchema.BATCH_ID))
            .map(TableSchema.Column::name)
            .collect(Collectors.joining(", "));
    String sql = "INSERT INTO " + schema.table() + " (" + columns + ") FORMAT RowBinary";
    URI address =
        URI.create(
            endpoint
                + "&async_insert=0&insert_deduplicate=1&insert_deduplication_token="
                + URLEncoder.encode(id, StandardCharsets.UTF_8)
                + "&query="
                + URLEncoder.encode(sql, StandardCharsets.UTF_8));
    send(
        address,
        HttpRequest.BodyPublishers.ofByteArray(rowBinary),
        row -> {},
        (status, answer) -> notWritten(schema.table(), answer));
  }

  private void send(
      URI address,
      HttpRequest.BodyPublisher body,
      Consumer<JsonNode> row,
      BiFunction<Integer, String, CannotCompareException> refusal) {
    HttpRequest request =
        HttpRequest.newBuilder(address)
            // Whoever waits for the deadline says better what was missing than a broken request.
            .timeout(deadline.left().plus(GRACE))
            .header("Authorization", authorization)
            .POST(body)
            .build();
    try {
      HttpResponse<Stream<String>> response =
          client.send(request, HttpResponse.BodyHandlers.ofLines());
      try (Stream<String> lines = response.body()) {
        if (response.statusCode() != 200) {
          throw refusal.apply(response.statusCode(), String.join(" ", lines.limit(20).toList()));
        }
        lines.forEach(line -> row.accept(parse(line)));
      }
    } catch (HttpTimeoutException e) {
      throw new CannotCompareException(
          "ClickHouse at "
              + settings.clickhouseUrl()
              + " has not answered within "
              + deadline.length().toSeconds()
              + " s: see what it is busy with (system.processes), or raise --deadline.",
          e);
    } catch (IOException e) {
      throw new CannotCompareException(
          "ClickHouse at "
              + settings.clickhouseUrl()
              + " does not answer ("
              + e
              + "): start it, or correct --clickhouse-url or clickhouse.url in the configuration.",
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CannotCompareException("Interrupted while ClickHouse was read: run it again.", e);
    }
  }

  private static JsonNode parse(String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new CannotCompareException(
          "ClickHouse answered with a line that is not JSON: is there a proxy in front of it?", e);
    }
  }

  private CannotCompareException notWritten(String table, String answer) {
    return new CannotCompareException(
        "ClickHouse at "
            + settings.clickhouseUrl()
            + " did not take the findings: if the user may not write, GRANT INSERT ON "
            + settings.clickhouseDatabase()
            + "."
            + table
            + " TO "
            + settings.clickhouseUser()
            + ", or leave out --record. It says: "
            + answer.substring(0, Math.min(answer.length(), 600)));
  }

  private CannotCompareException refused(int status, String answer) {
    String remedy;
    if (answer.contains("AUTHENTICATION_FAILED") || status == 401 || status == 403) {
      remedy =
          "correct the user "
              + settings.clickhouseUser()
              + " or its password (EXPERIMENT_ETL_CLICKHOUSE_PASSWORD or --clickhouse-password-file).";
    } else if (answer.contains("UNKNOWN_DATABASE") || answer.contains("UNKNOWN_TABLE")) {
      remedy =
          "apply sql/clickhouse to database "
              + settings.clickhouseDatabase()
              + ", or correct --clickhouse-database.";
    } else {
      remedy = "see the server's message.";
    }
    return new CannotCompareException(
        "ClickHouse at "
            + settings.clickhouseUrl()
            + " refused a query: "
            + remedy
            + " It says: "
            + answer.substring(0, Math.min(answer.length(), 600)));
  }
}
