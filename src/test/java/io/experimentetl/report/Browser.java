package io.experimentetl.report;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/** A headless Chromium with one empty page, driven through its DevTools protocol. */
final class Browser implements AutoCloseable {
  private static final List<String> NAMES = List.of("chromium", "chromium-headless-shell");
  private static final int DEADLINE_SECONDS = 120;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Process process;
  private final Path profile;
  private final WebSocket socket;
  private final AtomicInteger ids = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> answers = new ConcurrentHashMap<>();
  private final List<JsonNode> events = new CopyOnWriteArrayList<>();
  private final String session;

  /** The browser's executable, if this machine has one. */
  static Optional<Path> program() {
    return Stream.of(System.getenv("PATH").split(":"))
        .flatMap(folder -> NAMES.stream().map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst();
  }

  Browser(Path program, Path profile) {
    this.profile = profile;
    try {
      Files.createDirectories(profile);
      process =
          new ProcessBuilder(
                  program.toString(),
                  "--headless",
                  "--no-sandbox",
                  "--disable-gpu",
                  "--disable-quic",
                  "--no-first-run",
                  "--disable-background-networking",
                  "--disable-component-update",
                  "--disable-sync",
                  "--disable-dev-shm-usage",
                  "--remote-debugging-port=0",
                  "--user-data-dir=" + profile,
                  "about:blank")
              .redirectErrorStream(true)
              .redirectOutput(profile.resolve("chromium.log").toFile())
              .start();
      socket =
          HttpClient.newHttpClient()
              .newWebSocketBuilder()
              .buildAsync(devTools(), new Answers())
              .get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      String target =
          call("", "Target.createTarget", JSON.createObjectNode().put("url", "about:blank"))
              .path("targetId")
              .asText();
      session =
          call(
                  "",
                  "Target.attachToTarget",
                  JSON.createObjectNode().put("targetId", target).put("flatten", true))
              .path("sessionId")
              .asText();
      for (String domain : List.of("Page", "Runtime", "Network", "Log")) {
        call(domain + ".enable", JSON.createObjectNode());
      }
    } catch (IOException | ExecutionException | TimeoutException e) {
      throw new IllegalStateException("Chromium does not start, see " + profile, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** Reads the port and path that the browser writes into its profile when it listens. */
  private URI devTools() {
    Path file = profile.resolve("DevToolsActivePort");
    await()
        .atMost(DEADLINE_SECONDS, TimeUnit.SECONDS)
        .until(() -> Files.exists(file) && Files.readAllLines(file).size() > 1);
    try {
      List<String> lines = Files.readAllLines(file);
      return URI.create("ws://127.0.0.1:" + lines.get(0) + lines.get(1));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Shows the file in a window of this width, and returns when it is loaded and drawn. */
  void open(Path file, int width) {
    events.clear();
    call(
        "Emulation.setDeviceMetricsOverride",
        JSON.createObjectNode()
            .put("width", width)
            .put("height", 800)
            .put("deviceScaleFactor", 1)
            .put("mobile", width < 600));
    call("Page.navigate", JSON.createObjectNode().put("url", file.toUri().toString()));
    await()
        .atMost(DEADLINE_SECONDS, TimeUnit.SECONDS)
        .until(() -> seen("Page.loadEventFired").findAny().isPresent());
    evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
  }

  /** The value of an expression on the page. */
  JsonNode evaluate(String expression) {
    JsonNode answer =
        call(
            "Runtime.evaluate",
            JSON.createObjectNode()
                .put("expression", expression)
                .put("returnByValue", true)
                .put("awaitPromise", true));
    if (answer.has("exceptionDetails")) {
      throw new AssertionError(expression + ": " + answer.path("exceptionDetails"));
    }
    return answer.path("result").path("value");
  }

  /** The page as a PDF, on its own paper size. */
  byte[] print() {
    return Base64.getDecoder()
        .decode(
            call(
                    "Page.printToPDF",
                    JSON.createObjectNode()
                        .put("printBackground", true)
                        .put("preferCSSPageSize", true))
                .path("data")
                .asText());
  }

  byte[] screenshot() {
    return Base64.getDecoder()
        .decode(
            call(
                    "Page.captureScreenshot",
                    JSON.createObjectNode().put("format", "png").put("captureBeyondViewport", true))
                .path("data")
                .asText());
  }

  /** The page's requests since it was opened. */
  List<String> requests() {
    return seen("Network.requestWillBeSent")
        .map(event -> event.path("params").path("request").path("url").asText())
        .toList();
  }

  /** Exceptions, messages of the console, refusals of the content security policy. */
  List<String> complaints() {
    return Stream.of("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        .flatMap(this::seen)
        .map(event -> event.path("params").toString())
        .toList();
  }

  private Stream<JsonNode> seen(String method) {
    return new ArrayList<>(events)
        .stream().filter(event -> event.path("method").asText().equals(method));
  }

  private JsonNode call(String method, ObjectNode parameters) {
    return call(session, method, parameters);
  }

  private JsonNode call(String toSession, String method, ObjectNode parameters) {
    int id = ids.incrementAndGet();
    ObjectNode request = JSON.createObjectNode().put("id", id).put("method", method);
    request.set("params", parameters);
    if (!toSession.isEmpty()) {
      request.put("sessionId", toSession);
    }
    CompletableFuture<JsonNode> answer = new CompletableFuture<>();
    answers.put(id, answer);
    socket.sendText(request.toString(), true).join();
    try {
      JsonNode got = answer.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      if (got.has("error")) {
        throw new IllegalStateException(method + ": " + got.path("error"));
      }
      return got.path("result");
    } catch (ExecutionException | TimeoutException e) {
      throw new IllegalStateException(method + " was not answered, see " + profile, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    socket.abort();
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly().onExit().join();
  }

  private final class Answers implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        try {
          JsonNode message = JSON.readTree(text.toString());
          if (message.has("id")) {
            answers.remove(message.path("id").asInt()).complete(message);
          } else {
            events.add(message);
          }
        } catch (IOException e) {
          events.add(JSON.createObjectNode().put("method", "unreadable").put("text", e.toString()));
        }
        text.setLength(0);
      }
      from.request(1);
      return null;
    }
  }
}
