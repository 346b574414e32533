package io.experimentetl.local;

import io.experimentetl.operations.ClickHouseLogin;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * One database of the platform's ClickHouse server, with a console: it sends a statement and
 * returns the server's own text. The job and the operations read through the JDBC driver ({@link
 * #login}), which returns typed rows and no text. The tests assert that text, also in the FORMAT of
 * a statement, and send data behind a statement. Printing it never shows the password.
 *
 * @param url of the HTTP interface, e.g. {@code http://127.0.0.1:8123}, without a path
 */
public record ClickHouseEndpoint(String url, String database, String user, String password) {
  private static final HttpClient HTTP =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();

  /**
   * Runs one statement and returns its output (by default tab separated, without the last line
   * feed).
   *
   * @throws PlatformException with ClickHouse's own message when it refuses
   */
  public String query(String sql) {
    try {
      HttpResponse<String> response = post(sql);
      if (response.statusCode() != 200) {
        throw new PlatformException(
            "ClickHouse %s refused: %s%nStatement: %s"
                .formatted(this, response.body().strip(), sql.strip()));
      }
      String body = response.body();
      return body.endsWith("\n") ? body.substring(0, body.length() - 1) : body;
    } catch (IOException e) {
      throw new PlatformException("ClickHouse " + this + " does not answer: " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while asking ClickHouse", e);
    }
  }

  /** Returns the only number of a query. */
  public long count(String sql) {
    return Long.parseLong(query(sql));
  }

  private HttpResponse<String> post(String sql) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(
                URI.create(
                    url + "/?database=" + URLEncoder.encode(database, StandardCharsets.UTF_8)))
            .header("X-ClickHouse-User", user)
            .header("X-ClickHouse-Key", password)
            .timeout(Duration.ofMinutes(5))
            .POST(HttpRequest.BodyPublishers.ofString(sql))
            .build();
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
  }

  /** The database as operations address it. */
  public ClickHouseLogin login() {
    return new ClickHouseLogin(url, database, user, password);
  }

  public ClickHouseEndpoint withDatabase(String other) {
    return new ClickHouseEndpoint(url, other, user, password);
  }

  @Override
  public String toString() {
    return url + "/" + database + " as " + user;
  }
}
