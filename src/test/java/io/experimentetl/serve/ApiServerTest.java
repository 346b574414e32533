package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.config.ServeConfig;
import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ApiServerTest {
  private static final String ADMIN = "of-an-admin";
  private static final String VIEWER = "of-a-viewer";
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;
  private final CountDownLatch release = new CountDownLatch(1);
  private final HttpClient client = HttpClient.newHttpClient();
  private final Metrics metrics = new Metrics();
  private ApiServer api;
  private Path log;

  @BeforeEach
  void start() throws IOException {
    log = folder.resolve("actions.jsonl");
    api = start(new ServeConfig("127.0.0.1", 0, null, null, null, null, null));
  }

  private ApiServer start(ServeConfig config) throws IOException {
    Path tokens =
        Files.writeString(
            folder.resolve("tokens"),
            "anna admin %s\nvera viewer %s\n"
                .formatted(TokensTest.hash(ADMIN), TokensTest.hash(VIEWER)));
    Files.setPosixFilePermissions(tokens, PosixFilePermissions.fromString("rw-------"));
    Clock clock = Clock.fixed(Instant.parse("2026-05-01T02:00:00Z"), ZoneOffset.UTC);
    return ApiServer.start(
        config,
        routes(),
        new Tokens(tokens),
        new Changes(new ActionLog(log, clock).open()),
        metrics);
  }

  private List<Route> routes() {
    return List.of(
        Route.get("/health", "Health.", Schema.anyObject(), request -> Map.of("status", "UP"))
            .forEverybody(),
        Route.get("/things/{key}", "A thing.", Schema.anyObject(), Request::path),
        Route.post(
            "/things",
            "Makes things.",
            Schema.anyObject(),
            request -> Map.of("dry_run", request.isDryRun()),
            Field.bool("dryRun", "only shown")),
        Route.post(
            "/fails",
            "Fails.",
            Schema.anyObject(),
            request -> {
              throw new SQLException("table x is not registered", "42704");
            }),
        Route.get(
            "/broken",
            "Has a defect.",
            Schema.anyObject(),
            request -> {
              throw new IllegalStateException("secret inner state");
            }),
        Route.post(
            "/waits",
            "Waits.",
            Schema.anyObject(),
            request -> {
              try {
                release.await();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              return Map.of();
            }));
  }

  @AfterEach
  void stop() {
    release.countDown();
    api.close();
  }

  private HttpRequest.Builder request(String path, String token) {
    HttpRequest.Builder request = HttpRequest.newBuilder(api.url().resolve(path));
    return token == null ? request : request.header("Authorization", "Bearer " + token);
  }

  private HttpResponse<String> get(String path, String token) throws Exception {
    return client.send(request(path, token).build(), HttpResponse.BodyHandlers.ofString());
  }

  private HttpResponse<String> post(String path, String token, String body) throws Exception {
    return client.send(
        request(path, token)
            .header("Content-Type", "application/json; charset=utf-8")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build(),
        HttpResponse.BodyHandlers.ofString());
  }

  private static JsonNode problem(HttpResponse<String> response, int status) throws IOException {
    assertThat(response.statusCode()).isEqualTo(status);
    assertThat(response.headers().firstValue("Content-Type")).contains("application/problem+json");
    JsonNode problem = JSON.readTree(response.body());
    assertThat(problem.path("status").asInt()).isEqualTo(status);
    return problem;
  }

  @Test
  void onlyOpenPathsAnswerWithoutAToken() throws Exception {
    assertThat(get("/health", null).body()).isEqualTo("{\"status\":\"UP\"}");
    HttpResponse<String> without = get("/things/a", null);
    problem(without, 401);
    assertThat(without.headers().firstValue("WWW-Authenticate")).contains("Bearer");
    problem(get("/things/a", "guessed"), 401);
    problem(get("/no-such-path", null), 401);
    problem(post("/things", null, "{}"), 401);
  }

  @Test
  void viewerReadsAndAdminChanges() throws Exception {
    assertThat(get("/things/a%20b", VIEWER).body()).isEqualTo("{\"key\":\"a b\"}");
    assertThat(get("/things/a", ADMIN).statusCode()).isEqualTo(200);
    assertThat(problem(post("/things", VIEWER, "{}"), 403).path("detail").asText())
        .isEqualTo("vera has the role viewer, and this needs admin.");
    assertThat(post("/things", ADMIN, "{\"dry_run\": false}").body())
        .isEqualTo("{\"dry_run\":false}");
    problem(get("/no-such-path", VIEWER), 404);
    HttpResponse<String> wrongMethod = get("/things", ADMIN);
    problem(wrongMethod, 405);
    assertThat(wrongMethod.headers().firstValue("Allow")).contains("POST");
  }

  @Test
  void problemNamesTheReasonAndNoInnerState() throws Exception {
    assertThat(problem(post("/fails", ADMIN, ""), 422).path("detail").asText())
        .isEqualTo("table x is not registered");
    JsonNode broken = problem(get("/broken", ADMIN), 500);
    assertThat(broken.toString()).doesNotContain("secret inner state");
    assertThat(broken.path("instance").asText()).isEqualTo("/broken");
  }

  @Test
  void requestsThatAreNoRoutesMakeOneSeries() throws Exception {
    for (int i = 0; i < 5; i++) {
      problem(get("/no-such-path-" + i, ADMIN), 404);
      client.send(
          request("/health", null)
              .method("METHOD" + i, HttpRequest.BodyPublishers.noBody())
              .build(),
          HttpResponse.BodyHandlers.ofString());
    }
    assertThat(metrics.text().lines().filter(line -> line.contains("status=\"404\"")))
        .containsExactly("etl_serve_requests_total{method=\"\",path=\"\",status=\"404\"} 5");
    assertThat(metrics.text()).doesNotContain("METHOD");
  }

  @Test
  void bodyIsBounded() throws Exception {
    problem(post("/things", ADMIN, " ".repeat(64 * 1024 + 1)), 413);
    assertThat(post("/things", ADMIN, " ".repeat(64 * 1024 - 2) + "{}").statusCode())
        .isEqualTo(200);
    HttpResponse<String> text =
        client.send(
            request("/things", ADMIN).POST(HttpRequest.BodyPublishers.ofString("{}")).build(),
            HttpResponse.BodyHandlers.ofString());
    problem(text, 415);
  }

  @Test
  void everyChangeIsRecordedBeforeAndBehindIt() throws Exception {
    post("/things", ADMIN, "{\"dryRun\": false}");
    post("/fails", ADMIN, "");
    post("/things", VIEWER, "{}");
    get("/things/a", ADMIN);

    List<String> lines = Files.readAllLines(log);
    assertThat(lines).hasSize(5);
    assertThat(lines.get(1))
        .contains(
            "\"at\":\"2026-05-01T02:00:00Z\"",
            "\"who\":\"anna\"",
            "\"what\":\"POST /things\"",
            "\"parameters\":{\"dryRun\":false}");
    assertThat(lines.get(2)).contains("\"outcome\":\"done\"");
    assertThat(lines.get(4)).contains("\"outcome\":\"failed: table x is not registered\"");
    assertThat(String.join("", lines)).doesNotContain(ADMIN, VIEWER);
  }

  @Test
  void nothingIsChangedThatCannotBeRecorded() throws Exception {
    Files.delete(log);
    Files.createDirectory(log);
    assertThat(problem(post("/things", ADMIN, "{}"), 503).path("detail").asText())
        .contains("so nothing is changed");
  }

  @Test
  void changesBeyondAFewAreTurnedAway() throws Exception {
    ExecutorService senders = Executors.newFixedThreadPool(6);
    List<Future<HttpResponse<String>>> sent =
        java.util.stream.IntStream.range(0, 6)
            .mapToObj(i -> senders.submit(() -> post("/waits", ADMIN, "")))
            .toList();
    // Two are turned away at once; the others hold their places until they are released.
    org.awaitility.Awaitility.await()
        .until(() -> sent.stream().filter(Future::isDone).count() == 2);
    assertThat(get("/health", null).statusCode()).isEqualTo(200);
    release.countDown();
    int done = 0;
    for (Future<HttpResponse<String>> each : sent) {
      done += each.get().statusCode() == 200 ? 1 : 0;
    }
    senders.shutdown();
    assertThat(done).isEqualTo(4);
  }

  /**
   * A connection that sends nothing more is closed by the server: behind 30 s, in the build behind
   * 5 (pom.xml).
   */
  @Test
  void clientThatDoesNotEndItsRequestIsDisconnected() throws Exception {
    try (Socket slow = new Socket(InetAddress.getLoopbackAddress(), api.url().getPort())) {
      slow.setSoTimeout(60_000);
      slow.getOutputStream()
          .write(
              "POST /things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"
                  .formatted(ADMIN)
                  .getBytes(StandardCharsets.US_ASCII));
      InputStream answer = slow.getInputStream();
      assertThat(answer.read()).isEqualTo(-1);
    }
    assertThat(get("/health", null).statusCode()).isEqualTo(200);
  }

  @Test
  void otherAddressesNeedTls() {
    assertThatThrownBy(() -> start(new ServeConfig("0.0.0.0", 0, null, null, null, null, null)))
        .isInstanceOf(OperationsException.class)
        .hasMessageContaining("serve.certificate-file");
  }

  @Test
  void tlsShowsTheCertificateOfTheFile() throws Exception {
    KeyStore store = certificate();
    Path certificate = pem("CERTIFICATE", store.getCertificate("serve").getEncoded());
    Path key = pem("PRIVATE KEY", store.getKey("serve", "changeit".toCharArray()).getEncoded());
    try (ApiServer secured =
        start(
            new ServeConfig(
                "127.0.0.1", 0, null, certificate.toString(), key.toString(), null, null))) {
      URI url = secured.url();
      assertThat(url.getScheme()).isEqualTo("https");
      HttpRequest health = HttpRequest.newBuilder(url.resolve("/health")).build();
      assertThat(
              HttpClient.newBuilder()
                  .sslContext(trusting(store))
                  .build()
                  .send(health, HttpResponse.BodyHandlers.ofString())
                  .statusCode())
          .isEqualTo(200);
      assertThatThrownBy(() -> client.send(health, HttpResponse.BodyHandlers.ofString()))
          .isInstanceOf(IOException.class);
    }
    Files.writeString(key, "-----BEGIN RSA PRIVATE KEY-----");
    assertThatThrownBy(
            () ->
                start(
                    new ServeConfig(
                        "127.0.0.1", 0, null, certificate.toString(), key.toString(), null, null)))
        .hasMessageContaining("openssl pkcs8");
  }

  private KeyStore certificate() throws Exception {
    Path store = folder.resolve("store.p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "serve",
                "-keyalg",
                "EC",
                "-dname",
                "CN=serve",
                "-ext",
                "san=ip:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-storepass",
                "changeit",
                "-keystore",
                store.toString())
            .redirectErrorStream(true)
            .start();
    assertThat(keytool.waitFor())
        .as(new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .isZero();
    KeyStore read = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      read.load(in, "changeit".toCharArray());
    }
    return read;
  }

  private Path pem(String type, byte[] der) throws IOException {
    return Files.writeString(
        folder.resolve(type.replace(' ', '-') + ".pem"),
        "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n"
            .formatted(type, Base64.getMimeEncoder().encodeToString(der)));
  }

  private static SSLContext trusting(KeyStore certificates) throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("serve", certificates.getCertificate("serve"));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
