package io.experimentetl.serve;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.experimentetl.config.ServeConfig;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.tls.TlsFiles;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The HTTP server: finds the route, checks the token, reads the parameters, and writes the answer.
 *
 * <p>It is the JDK's own server, which speaks TLS and adds no dependency to the job's jar. Its
 * limits are set here: a client that does not send its request in time is disconnected, and so is
 * one that does not take its answer. HTTP/2 and thousands of connections are not needed.
 */
final class ApiServer implements AutoCloseable {
  /** In seconds: the whole request, with the TLS handshake. */
  private static final String REQUEST_TIMEOUT = "30";

  /** In seconds, beyond the time-out of a statement and the budget of a clean-up. */
  private static final String ANSWER_TIMEOUT = "1200";

  private static final int BODY_LIMIT = 64 * 1024;
  private static final int THREADS = 16;
  private static final int BACKLOG = 64;
  private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);
  private static final ObjectMapper JSON =
      new ObjectMapper().setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE);

  static {
    // The JDK's server reads them once, when it is first used.
    setUnlessGiven("sun.net.httpserver.maxReqTime", REQUEST_TIMEOUT);
    setUnlessGiven("sun.net.httpserver.maxRspTime", ANSWER_TIMEOUT);
    setUnlessGiven("sun.net.httpserver.maxReqHeaders", "64");
    setUnlessGiven("sun.net.httpserver.nodelay", "true");
  }

  private final HttpServer server;
  private final ExecutorService threads;
  private final List<Route> routes;
  private final Tokens tokens;
  private final Changes changes;
  private final Metrics metrics;
  private final boolean isSecured;

  private ApiServer(
      HttpServer server,
      boolean isSecured,
      List<Route> routes,
      Tokens tokens,
      Changes changes,
      Metrics metrics) {
    this.server = server;
    this.isSecured = isSecured;
    this.routes = routes;
    this.tokens = tokens;
    this.changes = changes;
    this.metrics = metrics;
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            1,
            TimeUnit.MINUTES,
            new LinkedBlockingQueue<>(),
            task -> new Thread(task, "serve"));
    pool.allowCoreThreadTimeOut(true);
    this.threads = pool;
  }

  private static void setUnlessGiven(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  /**
   * Starts a server.
   *
   * @throws OperationsException when the address is not the loopback's and there is no TLS, or it
   *     is in use
   */
  static ApiServer start(
      ServeConfig config, List<Route> routes, Tokens tokens, Changes changes, Metrics metrics) {
    try {
      InetAddress address = InetAddress.getByName(config.host());
      if (!address.isLoopbackAddress() && !config.isSecured()) {
        throw new OperationsException(
            "serve.host is %s, which other machines reach: set serve.certificate-file and serve.key-file, or serve.host: 127.0.0.1"
                .formatted(config.host()));
      }
      InetSocketAddress socket = new InetSocketAddress(address, config.port());
      ApiServer api =
          new ApiServer(
              config.isSecured() ? secured(config, socket) : HttpServer.create(socket, BACKLOG),
              config.isSecured(),
              List.copyOf(routes),
              tokens,
              changes,
              metrics);
      api.server.setExecutor(api.threads);
      api.server.createContext("/", api::handle);
      api.server.start();
      return api;
    } catch (IOException e) {
      throw new OperationsException(
          "the address %s:%d cannot be listened on (%s): set serve.host and serve.port"
              .formatted(config.host(), config.port(), e.getMessage()),
          e);
    }
  }

  private static HttpsServer secured(ServeConfig config, InetSocketAddress socket)
      throws IOException {
    SSLContext context;
    try {
      context = new TlsFiles(null, config.certificateFile(), config.keyFile()).serverContext();
    } catch (TlsFiles.UnusableFileException e) {
      throw new OperationsException("serve." + e.key() + " " + e.problem() + " " + e.remedy(), e);
    }
    HttpsServer server = HttpsServer.create(socket, BACKLOG);
    server.setHttpsConfigurator(new HttpsConfigurator(context));
    return server;
  }

  /** Where it listens. */
  URI url() {
    InetSocketAddress address = server.getAddress();
    String host = address.getAddress().getHostAddress();
    return URI.create(
        "%s://%s:%d"
            .formatted(
                isSecured ? "https" : "http",
                host.contains(":") ? "[" + host + "]" : host,
                address.getPort()));
  }

  private record Answer(int status, String contentType, byte[] body) {
    static Answer of(Object value) throws IOException {
      return value instanceof Route.Text text
          ? new Answer(200, text.contentType(), text.text().getBytes(StandardCharsets.UTF_8))
          : new Answer(200, "application/json", JSON.writeValueAsBytes(value));
    }
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      String rawPath = exchange.getRequestURI().getRawPath();
      List<Route> ofPath =
          routes.stream().filter(route -> route.match(rawPath).isPresent()).toList();
      Answer answer;
      try {
        answer = answer(exchange, rawPath, ofPath);
      } catch (ProblemException e) {
        answer = problem(e, rawPath);
      } catch (Exception e) {
        ProblemException problem = Problems.of(e);
        if (problem.status() == 500) {
          LOG.error("{} {} failed", exchange.getRequestMethod(), rawPath, e);
        }
        answer = problem(problem, rawPath);
      }
      // Methods and paths that are no route's are any text, so they must not become series.
      String method = exchange.getRequestMethod();
      metrics.count(
          ofPath.stream().anyMatch(route -> route.method().equals(method)) ? method : "",
          ofPath.isEmpty() ? "" : ofPath.get(0).path(),
          answer.status);
      write(exchange, answer);
    }
  }

  private static Answer problem(ProblemException problem, String path) throws IOException {
    return new Answer(
        problem.status(), "application/problem+json", JSON.writeValueAsBytes(problem.body(path)));
  }

  private Answer answer(HttpExchange exchange, String rawPath, List<Route> ofPath)
      throws Exception {
    Optional<Route> found =
        ofPath.stream()
            .filter(route -> route.method().equals(exchange.getRequestMethod()))
            .findFirst();
    Principal sender =
        found.filter(route -> route.role() == Role.NOBODY).isPresent()
            ? Principal.NOBODY
            : authenticate(exchange);
    if (ofPath.isEmpty()) {
      throw new ProblemException(
          404, "Not found", "There is no such path: GET /openapi.json lists all.");
    }
    if (found.isEmpty()) {
      String allowed = ofPath.stream().map(Route::method).collect(Collectors.joining(", "));
      exchange.getResponseHeaders().set("Allow", allowed);
      throw new ProblemException(405, "Method not allowed", "This path takes " + allowed + ".");
    }
    Route route = found.get();
    if (!sender.role().includes(route.role())) {
      throw new ProblemException(
          403,
          "Forbidden",
          "%s has the role %s, and this needs %s."
              .formatted(sender.name(), sender.role().text(), route.role().text()));
    }
    Request request =
        Request.read(
            sender,
            route.match(rawPath).orElseGet(Map::of),
            route.fields(),
            exchange.getRequestURI().getRawQuery(),
            body(exchange, route));
    return Answer.of(
        route.changes() ? changes.make(route, request) : route.handler().answer(request));
  }

  private Principal authenticate(HttpExchange exchange) {
    String header = exchange.getRequestHeaders().getFirst("Authorization");
    Principal sender =
        header != null && header.regionMatches(true, 0, "Bearer ", 0, 7)
            ? tokens.holder(header.substring(7).strip())
            : Principal.NOBODY;
    if (sender.role() == Role.NOBODY) {
      exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
      throw new ProblemException(
          401,
          "Unauthorized",
          header == null
              ? "Send a token in the header Authorization: Bearer TOKEN."
              : "The token is not in the file that serve.tokens-file names.");
    }
    return sender;
  }

  private static byte[] body(HttpExchange exchange, Route route) throws IOException {
    byte[] body = exchange.getRequestBody().readNBytes(BODY_LIMIT + 1);
    if (body.length > BODY_LIMIT) {
      // The rest is not read.
      exchange.getResponseHeaders().set("Connection", "close");
      throw new ProblemException(
          413, "Body too large", "A body has at most " + BODY_LIMIT + " bytes.");
    }
    if (body.length > 0) {
      if (!route.changes()) {
        throw ProblemException.badRequest("A GET takes its parameters in the query.");
      }
      String type = exchange.getRequestHeaders().getFirst("Content-Type");
      if (type == null || !type.split(";", 2)[0].strip().equalsIgnoreCase("application/json")) {
        throw new ProblemException(
            415, "Unsupported media type", "Send the header Content-Type: application/json.");
      }
    }
    return body;
  }

  private static void write(HttpExchange exchange, Answer answer) throws IOException {
    exchange.getResponseHeaders().set("Content-Type", answer.contentType);
    exchange.getResponseHeaders().set("Cache-Control", "no-store");
    exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
    boolean isHead = exchange.getRequestMethod().equals("HEAD");
    exchange.sendResponseHeaders(answer.status, isHead ? -1 : answer.body.length);
    if (!isHead) {
      try (OutputStream out = exchange.getResponseBody()) {
        out.write(answer.body);
      }
    }
  }

  /** Takes no more requests, and waits a moment for those that are being answered. */
  @Override
  public void close() {
    server.stop(1);
    threads.shutdownNow();
  }
}
