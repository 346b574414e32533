package io.experimentetl.faults;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.experimentetl.faults.FaultProxy.Direction;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The proxy in front of a server that records complete requests, and of an echo server. */
class FaultProxyTest {

  private static final String BODY = "0123456789".repeat(10_000);

  /** Enough for a JVM that has just begun, on a busy machine, to send the body. */
  private static final Duration SHORT = Duration.ofSeconds(1);

  /** Until an answer that comes is given up. */
  private static final int PATIENCE_MILLIS = 60_000;

  private final List<String> received = new CopyOnWriteArrayList<>();
  private final ExecutorService executor = Executors.newCachedThreadPool();
  private final HttpClient client = HttpClient.newHttpClient();
  private HttpServer server;
  private FaultProxy proxy;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(executor);
    server.createContext("/", this::answer);
    server.start();
    proxy = FaultProxy.to("127.0.0.1", server.getAddress().getPort());
  }

  @AfterEach
  void stop() {
    proxy.close();
    server.stop(0);
    executor.shutdownNow();
  }

  private void answer(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readAllBytes(), US_ASCII);
    String length = exchange.getRequestHeaders().getFirst("Content-Length");
    if (length != null && Long.parseLong(length) != body.length()) {
      throw new IOException("cut off");
    }
    received.add(exchange.getRequestURI() + " " + body.length());
    exchange.sendResponseHeaders(200, 4);
    exchange.getResponseBody().write("done".getBytes(US_ASCII));
    exchange.close();
  }

  @Test
  void requestsPassUnchangedOnOneConnection() throws Exception {
    assertThat(post("/a")).isEqualTo("200 done");
    assertThat(post("/b")).isEqualTo("200 done");

    assertThat(received).containsExactly("/a 100000", "/b 100000");
    assertThat(proxy.counts().connections()).isEqualTo(1);
    assertThat(proxy.counts().requests()).isEqualTo(2);
    assertThat(proxy.counts().faults()).isZero();
    assertThat(proxy.counts().bytesToServer()).isGreaterThan(200_000);
  }

  @Test
  void chunkedRequestPassesAndTheNextOneIsRecognised() throws Exception {
    HttpRequest chunked =
        HttpRequest.newBuilder(proxy.url().resolve("/chunked"))
            .POST(
                HttpRequest.BodyPublishers.ofByteArrays(
                    List.of(BODY.getBytes(US_ASCII), BODY.getBytes(US_ASCII))))
            .build();
    assertThat(client.send(chunked, HttpResponse.BodyHandlers.ofString()).body()).isEqualTo("done");
    proxy.next(1, "/next", new RequestFault.AnswerItself(503, "later"));
    assertThat(post("/next")).isEqualTo("503 later");

    assertThat(received).containsExactly("/chunked 200000");
  }

  @ParameterizedTest
  @EnumSource(Hangup.class)
  void truncatedRequestNeverArrivesComplete(Hangup hangup) {
    for (Position position :
        List.of(
            Position.after(0),
            Position.after(1),
            Position.IN_HEAD,
            Position.BEFORE_BODY,
            Position.IN_BODY,
            Position.BEFORE_LAST_BYTE)) {
      proxy.next(new RequestFault.CutRequest(position, hangup));

      // The next request uses a new connection.
      assertThatThrownBy(() -> post("/" + hangup)).isInstanceOf(IOException.class);
    }

    assertThat(received).isEmpty();
    assertThat(proxy.counts().hungUp())
        .isEqualTo(proxy.counts().faults())
        .isGreaterThanOrEqualTo(6);
  }

  @Test
  void onlyTheMatchingRequestHasTheFault() throws Exception {
    proxy.next(2, "/insert", new RequestFault.AnswerItself(500, "no"));

    assertThat(post("/select")).isEqualTo("200 done");
    assertThat(post("/insert")).isEqualTo("500 no");
    assertThat(proxy.pendingFaults()).isEqualTo(1);
    assertThat(post("/insert")).isEqualTo("500 no");
    assertThat(post("/insert")).isEqualTo("200 done");
    assertThat(received).containsExactly("/select 100000", "/insert 100000");
  }

  @Test
  void answerIsDroppedAfterTheRequestHasArrived() {
    for (long passed : new long[] {0, 1}) {
      proxy.next(new RequestFault.DropAnswer(passed, Hangup.FIN));
      assertThatThrownBy(() -> post("/dropped")).isInstanceOf(IOException.class);
    }

    assertThat(received).containsExactly("/dropped 100000", "/dropped 100000");
  }

  @Test
  void delayedRequestArrivesAfterItsClientHasHungUp() {
    proxy.next(new RequestFault.DelayRequest(SHORT.multipliedBy(2)));

    assertThatThrownBy(() -> post("/late", SHORT)).isInstanceOf(HttpTimeoutException.class);
    assertThat(received).isEmpty();
    await().untilAsserted(() -> assertThat(received).containsExactly("/late 100000"));
  }

  @Test
  void delayedAnswerComesTooLate() {
    proxy.next(new RequestFault.DelayAnswer(SHORT.multipliedBy(2)));

    assertThatThrownBy(() -> post("/slow", SHORT)).isInstanceOf(HttpTimeoutException.class);
    assertThat(received).containsExactly("/slow 100000");
  }

  @Test
  void stalledRequestNeverArrivesComplete() {
    proxy.next(new RequestFault.StallRequest(Position.BEFORE_LAST_BYTE));

    assertThatThrownBy(() -> post("/stalled", SHORT)).isInstanceOf(HttpTimeoutException.class);
    await().until(() -> proxy.open() == 0);
    assertThat(received).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void requestIsDeliveredTwiceAndAnsweredOnce(boolean together) throws Exception {
    proxy.next(new RequestFault.DeliverTwice(together));

    assertThat(post("/twice")).isEqualTo("200 done");
    await()
        .untilAsserted(
            () -> assertThat(received).containsExactly("/twice 100000", "/twice 100000"));
  }

  @Test
  void requestGetsAdditionalParameters() throws Exception {
    proxy.next(new RequestFault.WithParameters("readonly=1"));

    assertThat(post("/?query=x")).isEqualTo("200 done");
    assertThat(received).containsExactly("/?readonly=1&query=x 100000");
    assertThat(proxy.counts().answers()).isEqualTo(1);
  }

  @Test
  void missingServerIsARefusal() throws Exception {
    int nobody;
    try (ServerSocket socket = new ServerSocket(0)) {
      nobody = socket.getLocalPort();
    }
    try (FaultProxy front = FaultProxy.to("127.0.0.1", nobody)) {
      assertThatThrownBy(() -> post(front.url(), "/", Duration.ofSeconds(10)))
          .isInstanceOf(IOException.class);
      assertThat(front.counts().refused()).isPositive();
    }
  }

  @Test
  void healedProxyAcceptsNewConnectionsAgain() throws Exception {
    proxy.network(Condition.REFUSING);
    assertThatThrownBy(() -> post("/refused")).isInstanceOf(IOException.class);

    proxy.heal();
    assertThat(post("/healed")).isEqualTo("200 done");
    assertThat(received).containsExactly("/healed 100000");
  }

  @Test
  void stalledConnectionContinuesWhereItStopped() throws Exception {
    echo(
        socket -> {
          proxy.network(Condition.STALLED);
          assertThat(sendAndReceive(socket, "ping ping", 200)).isEmpty();
          proxy.network(Condition.GOOD);
          assertThat(receive(socket, 9, PATIENCE_MILLIS)).isEqualTo("ping ping");
        });
  }

  @Test
  void throttledConnectionIsSlow() throws Exception {
    echo(
        socket -> {
          proxy.network(Condition.throttledTo(100_000));
          long start = System.nanoTime();
          assertThat(sendAndReceive(socket, "x".repeat(20_000), PATIENCE_MILLIS)).hasSize(20_000);
          assertThat(Duration.ofNanos(System.nanoTime() - start))
              .isGreaterThan(Duration.ofMillis(200));
        });
  }

  @Test
  void delayedConnectionAnswersLater() throws Exception {
    echo(
        socket -> {
          proxy.network(Condition.delayedBy(Duration.ofMillis(100)));
          long start = System.nanoTime();
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEqualTo("ping ping");
          assertThat(Duration.ofNanos(System.nanoTime() - start))
              .isGreaterThan(Duration.ofMillis(200));
        });
  }

  @Test
  void openConnectionsOfAnyProtocolAreEnded() throws Exception {
    echo(
        socket -> {
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEqualTo("ping ping");
          proxy.hangUp(Hangup.RESET);
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEmpty();
          assertThat(proxy.counts().hungUp()).isEqualTo(1);
        });
  }

  @Test
  void connectionEndsAfterExactlyTheGivenBytes() throws Exception {
    echo(
        socket -> {
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEqualTo("ping ping");
          proxy.hangUpAfter(Direction.TO_CLIENT, 5, Hangup.FIN);
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEqualTo("ping ");
        });
  }

  @Test
  void closedProxyLeavesNoConnectionAndNoPort() throws Exception {
    int port = proxy.port();
    echo(
        socket -> {
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEqualTo("ping ping");
          proxy.network(Condition.STALLED);
          proxy.close();
          assertThat(sendAndReceive(socket, "ping ping", PATIENCE_MILLIS)).isEmpty();
          assertThat(proxy.open()).isZero();
        });

    assertThatThrownBy(() -> new Socket(InetAddress.getLoopbackAddress(), port).close())
        .isInstanceOf(IOException.class);
    await()
        .until(
            () ->
                Thread.getAllStackTraces().keySet().stream()
                    .noneMatch(thread -> thread.getName().startsWith("fault-proxy")));
  }

  private String post(String path) throws IOException, InterruptedException {
    return post(path, Duration.ofMillis(PATIENCE_MILLIS));
  }

  private String post(String path, Duration timeout) throws IOException, InterruptedException {
    return post(proxy.url(), path, timeout);
  }

  private String post(URI url, String path, Duration timeout)
      throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(url.resolve(path))
            .timeout(timeout)
            .POST(HttpRequest.BodyPublishers.ofString(BODY))
            .build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    return response.statusCode() + " " + response.body();
  }

  /** Tests a connection through {@link #proxy} to an echo server. */
  private void echo(Consumer<Socket> test) throws IOException {
    try (ServerSocket echo = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      executor.execute(
          () -> {
            try (Socket peer = echo.accept()) {
              peer.getInputStream().transferTo(peer.getOutputStream());
            } catch (IOException hungUp) {
              // The test ends the connection.
            }
          });
      proxy.close();
      proxy = FaultProxy.to("127.0.0.1", echo.getLocalPort());
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), proxy.port())) {
        test.accept(socket);
      }
    }
  }

  private static String sendAndReceive(Socket socket, String text, int millis) {
    try {
      OutputStream out = socket.getOutputStream();
      out.write(text.getBytes(US_ASCII));
      return receive(socket, text.length(), millis);
    } catch (IOException hungUp) {
      return "";
    }
  }

  /** Reads until the length is reached, the other side hangs up or the timeout is over. */
  private static String receive(Socket socket, int length, int millis) {
    StringBuilder text = new StringBuilder();
    try {
      socket.setSoTimeout(millis);
      InputStream in = socket.getInputStream();
      while (text.length() < length) {
        int next = in.read();
        if (next < 0) {
          break;
        }
        text.append((char) next);
      }
    } catch (IOException over) {
      return text.toString();
    }
    return text.toString();
  }
}
