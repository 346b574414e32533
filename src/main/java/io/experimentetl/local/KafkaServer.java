package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * One Kafka broker (KRaft, no ZooKeeper) in a JVM of its own on a free port of 127.0.0.1. Its
 * directory keeps its topics and its port, so the same broker is back after {@link #kill9()} and
 * {@link #start()}.
 */
public final class KafkaServer extends LocalServer {
  /** Any 16 bytes in base64; a directory belongs to one broker only. */
  private static final String CLUSTER_ID = "ZXhwZXJpbWVudC1ldGwxMQ";

  private static final Duration START_DEADLINE = Duration.ofSeconds(60);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(15);

  private final Path directory;
  private final int port;
  private final int controllerPort;
  private final String furtherProperties;

  private KafkaServer(Path directory, String furtherProperties) {
    super(STOP_DEADLINE);
    this.furtherProperties = furtherProperties;
    this.directory = directory.toAbsolutePath();
    ServerIdentity identity = ServerIdentity.of(this.directory);
    this.port = identity.port("port");
    this.controllerPort = identity.port("controller-port");
  }

  public static KafkaServer start(Path directory) {
    return start(directory, "");
  }

  /**
   * The same with properties of the broker, which take precedence.
   *
   * @param furtherProperties lines of server.properties
   */
  public static KafkaServer start(Path directory, String furtherProperties) {
    KafkaServer server = new KafkaServer(directory, furtherProperties);
    server.configure();
    server.start();
    return server;
  }

  /** Host and port, as clients take it. */
  public String bootstrapServers() {
    return "127.0.0.1:" + port;
  }

  /** Starts the stopped or killed broker again, on the same data and port. */
  public void start() {
    if (isAlive()) {
      throw new IllegalStateException("Kafka is running already: " + bootstrapServers());
    }
    String classPath =
        JavaCommand.classPathOf(KafkaMain.class)
            + ":"
            + JavaCommand.jars(KafkaServer::isKafkas).stream()
                .map(Path::toString)
                .collect(Collectors.joining(":"));
    FreePort.requireFree("Kafka", directory, port, controllerPort);
    start(
        new ServerProcess.Command(
            "Kafka",
            List.of(
                JavaCommand.java(),
                "-Xmx384m",
                "-XX:+UseSerialGC",
                "-cp",
                classPath,
                KafkaMain.class.getName(),
                directory.resolve("server.properties").toString(),
                directory.resolve("data").toString(),
                CLUSTER_ID),
            Map.of(),
            directory,
            directory.resolve("kafka.log"),
            "TERM"),
        START_DEADLINE,
        () -> {
          // The broker opens this port only when it has joined its own quorum and is unfenced.
          try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
            return true;
          }
        });
  }

  private static boolean isKafkas(String jar) {
    // Without a second logging backend for log4j 1, and without Flink's jars.
    return !jar.startsWith("reload4j-")
        && !jar.startsWith("flink-")
        && !jar.startsWith("debezium-");
  }

  private void configure() {
    try {
      Files.createDirectories(directory);
      Files.writeString(
          directory.resolve("server.properties"),
          """
          process.roles=broker,controller
          node.id=1
          controller.quorum.voters=1@127.0.0.1:%2$d
          listeners=PLAINTEXT://127.0.0.1:%1$d,CONTROLLER://127.0.0.1:%2$d
          advertised.listeners=PLAINTEXT://127.0.0.1:%1$d
          controller.listener.names=CONTROLLER
          log.dirs=%3$s
          broker.session.timeout.ms=1500
          broker.heartbeat.interval.ms=300
          num.partitions=1
          offsets.topic.num.partitions=1
          offsets.topic.replication.factor=1
          transaction.state.log.num.partitions=4
          transaction.state.log.replication.factor=1
          transaction.state.log.min.isr=1
          share.coordinator.state.topic.replication.factor=1
          share.coordinator.state.topic.min.isr=1
          group.initial.rebalance.delay.ms=0
          log.retention.hours=-1
          """
                  .formatted(port, controllerPort, directory.resolve("data"))
              + furtherProperties);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
