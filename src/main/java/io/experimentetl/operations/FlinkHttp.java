package io.experimentetl.operations;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;

/** Requests to a JobManager's REST interface, and its errors in readable form. */
final class FlinkHttp {
  static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration REQUEST_TIMEOUT = Duration.ofMinutes(3);
  private static final HttpClient HTTP =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(10))
          .build();

  private final String url;

  FlinkHttp(String url) {
    this.url = url;
  }

  /** The JobManager cannot be reached, or breaks the connection. */
  static final class NoAnswerException extends OperationsException {
    private static final long serialVersionUID = 1L;

    NoAnswerException(String message, IOException cause) {
      super(message, cause);
    }
  }

  JsonNode get(String path) {
    return send(request(path).GET().build(), "GET " + path);
  }

  /** The HTTP status of a {@code GET}. */
  int status(String path) {
    return exchange(request(path).GET().build(), "GET " + path).statusCode();
  }

  JsonNode post(String path, JsonNode body) {
    return send(
        request(path)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
            .build(),
        "POST " + path);
  }

  void patch(String path) {
    send(
        request(path).method("PATCH", HttpRequest.BodyPublishers.noBody()).build(),
        "PATCH " + path);
  }

  void delete(String path) {
    send(request(path).DELETE().build(), "DELETE " + path);
  }

  /** Uploads a jar and returns its id on the cluster. */
  String upload(Path jar) {
    String boundary = "experiment-etl-" + UUID.randomUUID();
    String header =
        "--%s\r\nContent-Disposition: form-data; name=\"jarfile\"; filename=\"%s\"\r\n"
            + "Content-Type: application/x-java-archive\r\n\r\n";
    HttpRequest.BodyPublisher body;
    try {
      // From the file: the tool's heap need not hold the jar.
      body =
          HttpRequest.BodyPublishers.concat(
              HttpRequest.BodyPublishers.ofString(header.formatted(boundary, jar.getFileName())),
              HttpRequest.BodyPublishers.ofFile(jar),
              HttpRequest.BodyPublishers.ofString("\r\n--%s--\r\n".formatted(boundary)));
    } catch (FileNotFoundException e) {
      throw new OperationsException("the job's jar " + jar + " cannot be read: " + e, e);
    }
    JsonNode answer =
        send(
            request("/jars/upload")
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .POST(body)
                .build(),
            "POST /jars/upload");
    return Path.of(answer.path("filename").asText()).getFileName().toString();
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(url + path)).timeout(REQUEST_TIMEOUT);
  }

  private JsonNode send(HttpRequest request, String what) {
    HttpResponse<String> response = exchange(request, what);
    if (response.statusCode() / 100 != 2) {
      RootCause cause = cause(response.body());
      throw new OperationsException(
          cause.ours()
              ? cause.text()
              : "Flink at %s refused %s (HTTP %d): %s"
                  .formatted(url, what, response.statusCode(), cause.text()));
    }
    try {
      return response.body().isEmpty() ? JSON.nullNode() : JSON.readTree(response.body());
    } catch (JsonProcessingException e) {
      throw new OperationsException(
          "Flink at %s answered %s with a text that is not JSON: is this the JobManager's REST address?"
              .formatted(url, what),
          e);
    }
  }

  private HttpResponse<String> exchange(HttpRequest request, String what) {
    try {
      return HTTP.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new NoAnswerException("Flink at " + url + " does not answer " + what + ": " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new OperationsException("interrupted while waiting for Flink at " + url, e);
    }
  }

  /** Flink answers with a list of texts; the last one contains the cause. */
  private static RootCause cause(String body) {
    try {
      String last = body;
      for (JsonNode text : JSON.readTree(body).path("errors")) {
        last = text.asText();
      }
      return RootCause.of(
          last.replace("<Exception on server side:", "")
              .replace("End of exception on server side>", ""));
    } catch (JsonProcessingException e) {
      return RootCause.of(body);
    }
  }
}
