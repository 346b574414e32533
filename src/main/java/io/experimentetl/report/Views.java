package io.experimentetl.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** ClickHouse's views, read through its HTTP interface. Sets nothing: a read-only user may ask. */
final class Views {
  private static final Duration TIMEOUT = Duration.ofMinutes(5);
  private static final int MESSAGE_LIMIT = 600;
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();
  private final ReportSettings settings;

  Views(ReportSettings settings) {
    this.settings = settings;
  }

  /**
   * Asks.
   *
   * @param query file of the resources' folder {@code report}
   * @param parameters of the query, by name; ClickHouse puts them in
   * @throws CannotReportException when there is no answer
   */
  Figures ask(String query, Map<String, String> parameters) {
    try {
      HttpResponse<String> response =
          client.send(
              HttpRequest.newBuilder(address(parameters))
                  .timeout(TIMEOUT)
                  .header("Authorization", "Basic " + credentials())
                  .POST(HttpRequest.BodyPublishers.ofString(resource(query)))
                  .build(),
              HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
      if (response.statusCode() != 200) {
        throw refused(response.statusCode(), response.body());
      }
      return figures(response.body());
    } catch (JsonProcessingException e) {
      throw new CannotReportException(
          "ClickHouse at "
              + settings.url()
              + " answered with a line that is not JSON: is there a proxy in front of it?",
          e);
    } catch (IOException e) {
      throw new CannotReportException(
          "ClickHouse at "
              + settings.url()
              + " does not answer ("
              + e
              + "): start it, or correct --clickhouse-url or clickhouse.url in the configuration.",
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CannotReportException("Interrupted while ClickHouse was read: run it again.", e);
    }
  }

  private URI address(Map<String, String> parameters) {
    StringBuilder url = new StringBuilder(settings.url());
    url.append("/?wait_end_of_query=1&default_format=JSONCompactEachRowWithNames&database=")
        .append(URLEncoder.encode(settings.database(), StandardCharsets.UTF_8));
    parameters.forEach(
        (name, value) ->
            url.append("&param_")
                .append(name)
                .append('=')
                .append(URLEncoder.encode(escaped(value), StandardCharsets.UTF_8)));
    try {
      URI address = URI.create(url.toString());
      if (address.getHost() == null || address.getRawUserInfo() != null) {
        throw new IllegalArgumentException("no host, or a user in it");
      }
      return address;
    } catch (IllegalArgumentException e) {
      throw new CannotReportException(
          "ClickHouse's address is none: give http://host:port with --clickhouse-url or as clickhouse.url in the configuration, and the user apart.",
          e);
    }
  }

  /** Parameters are read as the fields of a tab separated row. */
  private static String escaped(String value) {
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
  }

  private String credentials() {
    return Base64.getEncoder()
        .encodeToString(
            (settings.user() + ":" + settings.password()).getBytes(StandardCharsets.UTF_8));
  }

  private static Figures figures(String body) throws JsonProcessingException {
    List<String> columns = new ArrayList<>();
    List<Figures.Row> rows = new ArrayList<>();
    for (String line : body.split("\n", -1)) {
      if (line.isEmpty()) {
        continue;
      }
      JsonNode fields = JSON.readTree(line);
      if (columns.isEmpty()) {
        fields.forEach(name -> columns.add(name.asText()));
        continue;
      }
      Map<String, JsonNode> values = new LinkedHashMap<>();
      for (int i = 0; i < columns.size(); i++) {
        values.put(columns.get(i), fields.path(i));
      }
      rows.add(new Figures.Row(values));
    }
    return new Figures(columns, rows);
  }

  private CannotReportException refused(int status, String answer) {
    String remedy;
    if (answer.contains("AUTHENTICATION_FAILED") || status == 401 || status == 403) {
      remedy =
          "correct the user "
              + settings.user()
              + " or its password (EXPERIMENT_ETL_CLICKHOUSE_PASSWORD or --clickhouse-password-file).";
    } else if (answer.contains("UNKNOWN_DATABASE")
        || answer.contains("UNKNOWN_TABLE")
        || answer.contains("UNKNOWN_IDENTIFIER")) {
      remedy =
          "apply sql/clickhouse to database "
              + settings.database()
              + ", or correct --clickhouse-database.";
    } else {
      remedy = "see the server's message.";
    }
    return new CannotReportException(
        "ClickHouse at "
            + settings.url()
            + " refused a query: "
            + remedy
            + " It says: "
            + answer.strip().substring(0, Math.min(answer.strip().length(), MESSAGE_LIMIT)));
  }

  static String resource(String name) {
    return classPathText("report/" + name);
  }

  static String classPathText(String path) {
    try (InputStream in = Views.class.getClassLoader().getResourceAsStream(path)) {
      if (in == null) {
        throw new IllegalStateException("the class path has no " + path);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
