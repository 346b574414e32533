package io.experimentetl.clickhouse;

import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Rows in the body of a request, which its query reads as a table. Source: ClickHouse's
 * documentation, external data for query processing.
 *
 * @param table its name in the query
 * @param structure its columns, {@code name type, …}
 * @param format of the rows
 */
record AttachedRows(
    String table, String structure, String format, BodyPublisher rows, String boundary) {

  AttachedRows(String table, String structure, String format, BodyPublisher rows) {
    this(table, structure, format, rows, "rows-" + Long.toString(System.nanoTime(), 36));
  }

  /** What the request has beside its query. */
  Map<String, String> parameters() {
    return Map.of(
        "default_format",
        "TabSeparated",
        table + "_structure",
        structure,
        table + "_format",
        format);
  }

  BodyPublisher body() {
    return BodyPublishers.concat(
        text(
            "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                .formatted(boundary, table, table)),
        rows,
        text("\r\n--" + boundary + "--\r\n"));
  }

  private static BodyPublisher text(String text) {
    return BodyPublishers.ofString(text, StandardCharsets.US_ASCII);
  }

  String contentType() {
    return "multipart/form-data; boundary=" + boundary;
  }
}
