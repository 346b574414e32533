package io.experimentetl.clickhouse;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An HTTP client that sends each statement once: it never repeats a failed POST by itself, and
 * every answer has a deadline.
 */
final class ClickHouseHttp implements AutoCloseable {

  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
  private static final int MESSAGE_LIMIT = 1000;
  private static final Pattern WRITTEN_ROWS = Pattern.compile("\"written_rows\":\"(\\d+)\"");

  private final ClickHouseConnection connection;
  private final String authorization;
  private final ExecutorService executor;
  private final HttpClient client;

  /**
   * Does not connect yet.
   *
   * @throws IOException if the password or a file of TLS cannot be read
   */
  ClickHouseHttp(ClickHouseConnection connection) throws IOException {
    this.connection = connection;
    // Not X-ClickHouse-Key: the exception for an invalid header would contain the password.
    this.authorization =
        "Basic "
            + Base64.getEncoder()
                .encodeToString(
                    (connection.user() + ":" + connection.password().read())
                        .getBytes(StandardCharsets.UTF_8));
    this.executor =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "clickhouse-http");
              thread.setDaemon(true);
              return thread;
            });
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT_TIMEOUT)
            .executor(executor);
    if (!connection.tls().isEmpty()) {
      builder.sslContext(connection.tls().context());
    }
    this.client = builder.build();
  }

  /**
   * The server's answer.
   *
   * @param exceptionCode ClickHouse's error code, 0 if there is none
   * @param text the output, or the start of the error message
   * @param writtenRows of an INSERT, as the server's summary has it; 0 without one
   */
  record Answer(int status, int exceptionCode, String text, long writtenRows) {

    Answer(int status, int exceptionCode, String text) {
      this(status, exceptionCode, text, 0);
    }

    boolean succeeded() {
      return status == 200 && exceptionCode == 0;
    }

    /** A few lines for messages. */
    String problem() {
      return "HTTP " + status + ": " + text.strip();
    }
  }

  /** The server answered a statement with an error. */
  static final class RefusedException extends IOException {
    private final transient Answer answer;

    RefusedException(Answer answer) {
      super(answer.problem());
      this.answer = answer;
    }

    Answer answer() {
      return answer;
    }
  }

  /**
   * Runs a query.
   *
   * @return its lines, split at tabs
   * @throws RefusedException if the server answers with an error
   * @throws IOException if it does not answer
   */
  List<String[]> select(String sql, Map<String, String> settings, Duration timeout)
      throws IOException, InterruptedException {
    Map<String, String> parameters = new LinkedHashMap<>(settings);
    parameters.put("default_format", "TabSeparated");
    return lines(
        send(
            parameters,
            HttpRequest.BodyPublishers.ofString(sql, StandardCharsets.UTF_8),
            "text/plain; charset=UTF-8",
            timeout));
  }

  /**
   * Runs a query on a table {@code batch}, whose rows are part of the request.
   *
   * @param structure the columns, {@code name type, …}
   * @param blocks the rows
   */
  List<String[]> selectOn(
      String sql, String structure, byte[] blocks, Map<String, String> settings, Duration timeout)
      throws IOException, InterruptedException {
    Map<String, String> parameters = new LinkedHashMap<>(settings);
    parameters.put("query", sql);
    AttachedRows rows =
        new AttachedRows(
            "batch", structure, "Native", HttpRequest.BodyPublishers.ofByteArray(blocks));
    parameters.putAll(rows.parameters());
    return lines(send(parameters, rows.body(), rows.contentType(), timeout));
  }

  /**
   * Runs a query whose output becomes a file.
   *
   * @param parameters with {@code query}, unless the body is the query
   * @param to is written only when the server answers without an error
   */
  Answer download(
      Map<String, String> parameters,
      HttpRequest.BodyPublisher body,
      String contentType,
      Duration timeout,
      Path to)
      throws IOException, InterruptedException {
    return send(
        parameters,
        body,
        contentType,
        timeout,
        answer ->
            answer.statusCode() == 200
                    && answer.headers().firstValue("X-ClickHouse-Exception-Code").isEmpty()
                ? HttpResponse.BodySubscribers.mapping(
                    HttpResponse.BodySubscribers.ofFile(to), file -> "")
                : HttpResponse.BodySubscribers.ofString(StandardCharsets.UTF_8));
  }

  /**
   * Sends a statement with a compressed body as its data.
   *
   * @param settings must contain {@code query_id}
   * @throws IOException if there is no answer; the outcome is unknown
   */
  Answer insert(String sql, byte[] body, Map<String, String> settings, Duration timeout)
      throws IOException, InterruptedException {
    Map<String, String> parameters = new LinkedHashMap<>(settings);
    parameters.put("query", sql);
    parameters.put("decompress", "1");
    // With a known length, the server recognises a truncated body.
    return send(
        parameters,
        HttpRequest.BodyPublishers.ofByteArray(body),
        "application/octet-stream",
        timeout);
  }

  /**
   * Whether the answer comes from ClickHouse and, if the query has an id, belongs to this query.
   */
  private static boolean isFromClickHouse(
      HttpResponse<String> response, Map<String, String> parameters) {
    String query = parameters.get("query_id");
    return response
        .headers()
        .firstValue("X-ClickHouse-Query-Id")
        .filter(id -> query == null || query.equals(id))
        .isPresent();
  }

  static List<String[]> lines(Answer answer) throws RefusedException {
    if (!answer.succeeded()) {
      throw new RefusedException(answer);
    }
    return answer.text().lines().map(line -> line.split("\t", -1)).toList();
  }

  Answer send(
      Map<String, String> parameters,
      HttpRequest.BodyPublisher body,
      String contentType,
      Duration timeout)
      throws IOException, InterruptedException {
    return send(
        parameters,
        body,
        contentType,
        timeout,
        HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  private Answer send(
      Map<String, String> parameters,
      HttpRequest.BodyPublisher body,
      String contentType,
      Duration timeout,
      HttpResponse.BodyHandler<String> handler)
      throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(uri(parameters))
            .header("Authorization", authorization)
            .header("Content-Type", contentType)
            .POST(body)
            .build();
    HttpResponse<String> response = await(request, handler, timeout);
    int code =
        response
            .headers()
            .firstValue("X-ClickHouse-Exception-Code")
            .map(ClickHouseHttp::number)
            .orElse(0);
    String text = response.body();
    boolean foreign = !isFromClickHouse(response, parameters);
    if ((response.statusCode() != 200 || code != 0 || foreign) && text.length() > MESSAGE_LIMIT) {
      text = text.substring(0, MESSAGE_LIMIT) + " …";
    }
    if (response.statusCode() == 200 && foreign) {
      throw new IOException("a proxy has answered instead of ClickHouse: " + text);
    }
    return new Answer(response.statusCode(), code, text, writtenRows(response));
  }

  /** Covers the whole answer; the client's timeout ends with the answer's headers. */
  private HttpResponse<String> await(
      HttpRequest request, HttpResponse.BodyHandler<String> handler, Duration timeout)
      throws IOException, InterruptedException {
    CompletableFuture<HttpResponse<String>> response = client.sendAsync(request, handler);
    try {
      return response.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new HttpTimeoutException("no complete answer within " + timeout.toMillis() + " ms");
    } catch (ExecutionException e) {
      throw new IOException(String.valueOf(e.getCause()), e.getCause());
    } finally {
      response.cancel(true);
    }
  }

  private static long writtenRows(HttpResponse<String> response) {
    return response
        .headers()
        .firstValue("X-ClickHouse-Summary")
        .map(WRITTEN_ROWS::matcher)
        .filter(Matcher::find)
        .map(rows -> Long.parseLong(rows.group(1)))
        .orElse(0L);
  }

  private static int number(String header) {
    try {
      return Integer.parseInt(header.strip());
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  private URI uri(Map<String, String> parameters) {
    StringBuilder uri = new StringBuilder(connection.url().toString());
    uri.append(connection.url().getPath().isEmpty() ? "/" : "").append("?database=");
    uri.append(encode(connection.database()));
    parameters.forEach(
        (name, value) -> uri.append('&').append(name).append('=').append(encode(value)));
    return URI.create(uri.toString());
  }

  private static String encode(String value) {
    return URLEncoder.encode(value, StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    executor.shutdownNow();
  }

  @Override
  public String toString() {
    return connection.url() + ", database " + connection.database();
  }
}
