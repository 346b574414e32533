package io.experimentetl.chaos;

import io.experimentetl.local.JavaCommand;
import io.experimentetl.local.ServerIdentity;
import io.experimentetl.local.ServerProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A ZooKeeper process on a free port of 127.0.0.1, for a Flink cluster that must survive the loss
 * of its JobManager. It runs the ZooKeeper of Flink's distribution.
 */
public final class ZooKeeperServer implements AutoCloseable {
  private static final String MAIN =
      "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain";
  private static final Duration START_DEADLINE = Duration.ofSeconds(60);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(10);

  private final Path directory;
  private final int port;
  private ServerProcess process;

  private ZooKeeperServer(Path directory) {
    this.directory = directory.toAbsolutePath();
    this.port = ServerIdentity.of(this.directory).port("port");
  }

  public static ZooKeeperServer start(Path directory) {
    ZooKeeperServer server = new ZooKeeperServer(directory);
    server.start();
    return server;
  }

  /** Host and port, the value of {@code high-availability.zookeeper.quorum}. */
  public String quorum() {
    return "127.0.0.1:" + port;
  }

  private void start() {
    Path configuration = directory.resolve("zoo.cfg");
    try {
      Files.writeString(
          configuration,
          """
          dataDir=%s
          clientPort=%d
          clientPortAddress=127.0.0.1
          tickTime=1000
          maxClientCnxns=0
          admin.enableServer=false
          4lw.commands.whitelist=ruok
          """
              .formatted(directory.resolve("data"), port));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    process =
        ServerProcess.start(
            new ServerProcess.Command(
                "ZooKeeper",
                List.of(
                    JavaCommand.java(),
                    "-Xmx128m",
                    "-XX:+UseSerialGC",
                    "-cp",
                    JavaCommand.jars(ZooKeeperServer::isNeeded).stream()
                        .map(Path::toString)
                        .collect(Collectors.joining(":")),
                    MAIN,
                    configuration.toString()),
                Map.of(),
                directory,
                directory.resolve("zookeeper.log"),
                "TERM"));
    process.awaitHealthy(START_DEADLINE, this::isHealthy);
  }

  private boolean isHealthy() throws IOException {
    try (Socket socket = new Socket()) {
      // A starting server may never answer a request.
      socket.setSoTimeout(1000);
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
      socket.getOutputStream().write("ruok".getBytes(StandardCharsets.US_ASCII));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII)
          .equals("imok");
    }
  }

  private static boolean isNeeded(String jar) {
    return jar.startsWith("flink-shaded-zookeeper-3-")
        || jar.startsWith("snappy-java-")
        || jar.startsWith("slf4j-api-")
        || jar.startsWith("log4j-");
  }

  @Override
  public void close() {
    process.stop(STOP_DEADLINE);
  }
}
