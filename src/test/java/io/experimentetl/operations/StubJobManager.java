package io.experimentetl.operations;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** A JobManager that gives fixed answers; to anything else it answers an empty object. */
final class StubJobManager implements AutoCloseable {
  private final Map<String, String> answers = new ConcurrentHashMap<>();
  private final Map<String, List<String>> posted = new ConcurrentHashMap<>();
  private final HttpServer server;

  StubJobManager() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String body =
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          String path = exchange.getRequestURI().toString();
          if (exchange.getRequestMethod().equals("POST")) {
            posted.computeIfAbsent(path, ignored -> new CopyOnWriteArrayList<>()).add(body);
          }
          byte[] answer = answers.getOrDefault(path, "{}").getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    server.start();
  }

  /** Sets the JSON that a path, with its query, is answered with. */
  void answer(String path, String json) {
    answers.put(path, json);
  }

  /** The bodies that were posted to a path. */
  List<String> posted(String path) {
    return posted.getOrDefault(path, List.of());
  }

  int port() {
    return server.getAddress().getPort();
  }

  FlinkEndpoint endpoint() {
    return new FlinkEndpoint("http://127.0.0.1:" + port());
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
