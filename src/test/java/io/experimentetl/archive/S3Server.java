package io.experimentetl.archive;

import static org.awaitility.Awaitility.await;

import io.experimentetl.config.ArchiveConfig;
import io.experimentetl.config.Secret;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/** A server of S3's protocol, in a process of its own. */
final class S3Server implements AutoCloseable {
  private static final Path JARS = Path.of("target/s3-servers");
  private static final String USER = "archive-key";
  private static final String SECRET = "archive-secret";

  private final Process process;
  private final String url;
  private final Path directory;

  private S3Server(List<String> arguments, int port, Path directory) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx256m",
                "-Djava.io.tmpdir=" + directory,
                "-jar"));
    command.addAll(arguments);
    this.directory = directory;
    this.url = "http://127.0.0.1:" + port;
    this.process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("server.log").toFile())
            .start();
    await().atMost(Duration.ofMinutes(2)).until(this::answers);
  }

  /** Checks signatures; knows no versions. */
  static S3Server checkingSignatures(Path directory) throws IOException {
    int port = port();
    Path settings = directory.resolve("s3proxy.conf");
    Files.writeString(
        settings,
        """
        s3proxy.authorization=aws-v4
        s3proxy.identity=%s
        s3proxy.credential=%s
        s3proxy.endpoint=http://127.0.0.1:%d
        jclouds.provider=transient-nio2
        jclouds.identity=none
        jclouds.credential=none
        """
            .formatted(USER, SECRET, port));
    return new S3Server(
        List.of(
            JARS.resolve("s3proxy-jar-with-dependencies.jar").toString(),
            "--properties",
            settings.toString()),
        port,
        directory);
  }

  /** Has versions and Object Lock; checks no signatures. */
  static S3Server withVersions(Path directory) throws IOException {
    int port = port();
    return new S3Server(
        List.of(
            JARS.resolve("s3mock-exec.jar").toString(),
            "--server.address=127.0.0.1",
            "--server.port=" + port(),
            "--com.adobe.testing.s3mock.httpPort=" + port),
        port,
        directory);
  }

  private static int port() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private boolean answers() throws InterruptedException {
    if (!process.isAlive()) {
      throw new IllegalStateException("The S3 server has ended; see " + directory);
    }
    try {
      return HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(URI.create(url)).build(),
                  HttpResponse.BodyHandlers.discarding())
              .statusCode()
          > 0;
    } catch (IOException e) {
      return false;
    }
  }

  /** A client, to prepare buckets and to look into them. */
  S3Client client() {
    return S3Client.builder()
        .httpClient(UrlConnectionHttpClient.create())
        .region(Region.US_EAST_1)
        .endpointOverride(URI.create(url))
        .forcePathStyle(true)
        .credentialsProvider(
            StaticCredentialsProvider.create(AwsBasicCredentials.create(USER, SECRET)))
        .build();
  }

  /** The configuration of an archive in a bucket. */
  ArchiveConfig archive(String bucket) throws IOException {
    Path secret = directory.resolve("secret");
    Files.writeString(secret, SECRET + "\n");
    return new ArchiveConfig(
        null,
        new ArchiveConfig.S3(
            url, "us-east-1", bucket, "warehouse/a", USER, Secret.fromFile(secret.toString())));
  }

  @Override
  public void close() {
    process.destroy();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
