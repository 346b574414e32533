package io.experimentetl.tls;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsFilesTest {
  @TempDir static Path folder;

  private static TestCertificates certificates;

  @BeforeAll
  static void makeCertificates() throws Exception {
    certificates = TestCertificates.create(folder);
  }

  @Test
  void everyUnusableFileIsNamedWithItsRemedy() throws Exception {
    TlsFiles good = certificates.files("client");
    assertThat(good.context()).isNotNull();
    assertRefused(
        new TlsFiles("/no/such/ca.crt", null, null),
        "The file /no/such/ca.crt (ca-file) cannot be read (NoSuchFileException)");
    assertRefused(new TlsFiles(certificates.keyFile("client").toString(), null, null), "(ca-file)");
    assertRefused(
        new TlsFiles(null, good.certificateFile(), good.certificateFile()),
        "(key-file) is no RSA key in PKCS#8",
        "openssl pkcs8 -topk8 -nocrypt");
    assertRefused(certificates.files("expired"), "expired.crt (certificate-file) expired at 20");
    Path garbled =
        Files.writeString(
            folder.resolve("garbled.key"),
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    assertRefused(
        new TlsFiles(null, good.certificateFile(), garbled.toString()),
        "garbled.key (key-file) is no RSA key");
    Path cutOff =
        Files.writeString(
            folder.resolve("cut-off.key"),
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c\n-----END PRIVATE KEY-----\n");
    assertRefused(
        new TlsFiles(null, good.certificateFile(), cutOff.toString()),
        "cut-off.key (key-file) is no RSA key");
  }

  private static void assertRefused(TlsFiles files, String... words) {
    assertThatThrownBy(files::context).hasMessageContainingAll(words);
  }

  /** The handshake fails before the proxy asks what is behind it. */
  @Test
  void everyRefusedHandshakeIsExplained() throws Exception {
    TlsFiles client = certificates.files("client");
    try (TlsProxy server = TlsProxy.start(certificates.server("server"), 1);
        TlsProxy expired = TlsProxy.start(certificates.server("expired"), 1);
        ServerSocket plain = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThat(failure("localhost", server.port(), client))
          .contains("certificate is for other names than the host");
      assertThat(failure("127.0.0.1", expired.port(), client)).contains("has expired (NotAfter: ");
      assertThat(
              failure(
                  "127.0.0.1",
                  server.port(),
                  new TlsFiles(
                      certificates.certificateFile(TestCertificates.STRANGER).toString(),
                      null,
                      null)))
          .contains("no trusted CA has signed the server's certificate");
      Thread answer =
          new Thread(
              () -> {
                try (var socket = plain.accept()) {
                  socket
                      .getOutputStream()
                      .write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(US_ASCII));
                } catch (IOException e) {
                  throw new AssertionError(e);
                }
              });
      answer.start();
      assertThat(failure("127.0.0.1", plain.getLocalPort(), client))
          .contains("the server answers without TLS");
      answer.join();
    }
  }

  private static String failure(String host, int port, TlsFiles files) throws Exception {
    ClickHouseConnection connection =
        new ClickHouseConnection(
            URI.create("https://" + host + ":" + port), "default", "etl", () -> "secret", files);
    try (ClickHouseReader reader = new ClickHouseReader(connection)) {
      reader.list("SELECT 1", Map.of(), Duration.ofSeconds(20), row -> row.getInt(1));
      return "no failure";
    } catch (IOException e) {
      return e.getMessage();
    }
  }
}
