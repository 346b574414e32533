package io.experimentetl.platform;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.Optional;

/**
 * Where a running platform is to be found, also from another process.
 *
 * @param postgres for whoever writes the source, as superuser on our own server; the job has a role
 *     of its own
 * @param kafka bootstrap servers; empty: no Kafka
 * @param savepoints where Flink puts savepoints, a URI; empty: the cluster's own setting
 * @param jobConfig the job's configuration file on this machine, made for these addresses
 */
public record PlatformAddresses(
    PostgresEndpoint postgres,
    ClickHouseEndpoint clickHouse,
    Optional<String> kafka,
    FlinkEndpoint flink,
    Optional<String> savepoints,
    Path jobConfig) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String FILE = "platform.json";

  /**
   * Writes them where {@link #read} finds them, for as long as this process lives. Only the owner
   * may read the file: it holds the passwords.
   */
  void write(Path directory) {
    ObjectNode root = JSON.createObjectNode();
    root.put("supervisor", ProcessHandle.current().pid());
    root.put("supervisorStarted", started(ProcessHandle.current()));
    root.putObject("postgres")
        .put("host", postgres.host())
        .put("port", postgres.port())
        .put("database", postgres.database())
        .put("user", postgres.user())
        .put("password", postgres.password());
    root.putObject("clickHouse")
        .put("url", clickHouse.url())
        .put("database", clickHouse.database())
        .put("user", clickHouse.user())
        .put("password", clickHouse.password());
    kafka.ifPresent(servers -> root.put("kafka", servers));
    root.put("flink", flink.url());
    savepoints.ifPresent(uri -> root.put("savepoints", uri));
    root.put("jobConfig", jobConfig.toString());
    Path unfinished = directory.resolve(FILE + ".unfinished");
    try {
      ServerIdentity.writeSecret(unfinished, root.toPrettyString());
      Files.move(unfinished, directory.resolve(FILE), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new PlatformException("can't write " + directory.resolve(FILE) + ": " + e, e);
    }
  }

  /** The addresses of the platform that runs in this directory, if one does. */
  public static Optional<PlatformAddresses> read(Path directory) {
    if (supervisor(directory).isEmpty()) {
      return Optional.empty();
    }
    ObjectNode root = tree(directory);
    return Optional.of(
        new PlatformAddresses(
            new PostgresEndpoint(
                root.path("postgres").path("host").asText(),
                root.path("postgres").path("port").asInt(),
                root.path("postgres").path("database").asText(),
                root.path("postgres").path("user").asText(),
                root.path("postgres").path("password").asText()),
            new ClickHouseEndpoint(
                root.path("clickHouse").path("url").asText(),
                root.path("clickHouse").path("database").asText(),
                root.path("clickHouse").path("user").asText(),
                root.path("clickHouse").path("password").asText()),
            Optional.ofNullable(root.path("kafka").asText(null)),
            new FlinkEndpoint(root.path("flink").asText()),
            Optional.ofNullable(root.path("savepoints").asText(null)),
            Path.of(root.path("jobConfig").asText())));
  }

  /** The process that keeps the platform of this directory, if it lives. */
  static Optional<ProcessHandle> supervisor(Path directory) {
    if (!Files.exists(directory.resolve(FILE))) {
      return Optional.empty();
    }
    ObjectNode root = tree(directory);
    // The start time tells it from a later process with the same id.
    return ProcessHandle.of(root.path("supervisor").asLong())
        .filter(ProcessHandle::isAlive)
        .filter(process -> started(process).equals(root.path("supervisorStarted").asText()));
  }

  private static String started(ProcessHandle process) {
    return process.info().startInstant().map(Instant::toString).orElse("");
  }

  private static ObjectNode tree(Path directory) {
    try {
      return (ObjectNode) JSON.readTree(directory.resolve(FILE).toFile());
    } catch (IOException e) {
      throw new PlatformException(
          directory.resolve(FILE) + " can't be read: " + e + "; remove it and run ./etl up", e);
    }
  }
}
