package io.experimentetl.local;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.experimentetl.config.JobConfig;
import io.experimentetl.operations.ClickHouseLogin;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.DeploymentMemory;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.PostgresLogin;
import io.experimentetl.operations.StatusLook;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The addresses of a running platform, also for other processes.
 *
 * @param postgres for writers of the source, as superuser on the own server; the job has its own
 *     role
 * @param kafka bootstrap servers; empty: no Kafka
 * @param savepoints the URI of Flink's savepoints; empty: the cluster's own setting
 * @param jobConfig the job's configuration file on this machine, made for these addresses
 * @param launch its start
 */
public record PlatformAddresses(
    PostgresEndpoint postgres,
    ClickHouseEndpoint clickHouse,
    Optional<String> kafka,
    FlinkEndpoint flink,
    Optional<String> savepoints,
    Path jobConfig,
    Launch launch) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
  private static final String FILE = "platform.json";
  private static final Duration APPLICATION_DEADLINE = Duration.ofMinutes(30);

  /**
   * Writes them for {@link #read}, which finds them while this process lives. Only the owner may
   * read the file: it contains the passwords.
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
    root.set("launch", JSON.valueToTree(launch));
    Path unfinished = directory.resolve(FILE + ".unfinished");
    try {
      ServerIdentity.writeSecret(unfinished, root.toPrettyString());
      Files.move(unfinished, directory.resolve(FILE), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new PlatformException("can't write " + directory.resolve(FILE) + ": " + e, e);
    }
  }

  /** The addresses of the platform in this directory; empty: none runs. */
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
            Path.of(root.path("jobConfig").asText()),
            JSON.convertValue(root.path("launch"), Launch.class)));
  }

  /**
   * The same platform, with another configuration of the job.
   *
   * @param file where it is written
   * @param change edits a copy of the present configuration
   */
  public PlatformAddresses withJobConfig(Path file, Consumer<ObjectNode> change) {
    try {
      ObjectNode root = (ObjectNode) YAML.readTree(jobConfig.toFile());
      change.accept(root);
      YAML.writeValue(file.toFile(), root);
    } catch (IOException e) {
      throw new PlatformException(
          "the job's configuration " + jobConfig + " can't be copied to " + file + ": " + e, e);
    }
    return withJobConfig(file);
  }

  /** The same platform, with the configuration in this file for its job. */
  PlatformAddresses withJobConfig(Path file) {
    return new PlatformAddresses(postgres, clickHouse, kafka, flink, savepoints, file, launch);
  }

  /** The environment of the job: overrides of the configuration, and the platform's passwords. */
  private Map<String, String> jobEnvironment() {
    Map<String, String> environment = new HashMap<>(launch.overrides());
    environment.put("EXPERIMENT_ETL_SOURCE_PASSWORD", postgres.password());
    environment.put("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", clickHouse.password());
    return environment;
  }

  /** The job's configuration, with the platform's passwords. */
  public JobConfig loadJobConfig() {
    return JobConfig.load(jobConfig, jobEnvironment());
  }

  /** The databases, with the logins of their owners. */
  public Databases databases() {
    return new Databases() {
      @Override
      public Optional<Path> configFile() {
        return Optional.of(jobConfig);
      }

      @Override
      public JobConfig config() {
        return loadJobConfig();
      }

      @Override
      public PostgresLogin postgres() {
        return postgres.login();
      }

      @Override
      public ClickHouseLogin clickHouse() {
        return clickHouse.login();
      }
    };
  }

  /**
   * The job on this platform.
   *
   * @param jar the shaded job jar
   */
  public Deployment deployment(Path jar) {
    Path folder = jobConfig.toAbsolutePath().getParent();
    Set<Deployment.Server> own = EnumSet.noneOf(Deployment.Server.class);
    if (launch.ownFlink()) {
      own.add(Deployment.Server.FLINK);
    }
    if (launch.ownClickHouse()) {
      own.add(Deployment.Server.CLICKHOUSE);
    }
    return new Deployment(
        databases(),
        new Deployment.Cluster(flink, savepoints, APPLICATION_DEADLINE),
        new Deployment.Files(jar, jobConfig, jobConfig.toString()),
        new DeploymentMemory(folder, Optional.of(folder.resolve("flink"))),
        jobEnvironment(),
        own);
  }

  /** The servers that do not answer, with their addresses; empty: all answer. */
  List<String> deadServers() {
    List<String> dead = new ArrayList<>();
    try (Connection connection = postgres.connect()) {
      connection.isValid(5);
    } catch (SQLException e) {
      dead.add("PostgreSQL " + postgres + " does not answer");
    }
    try {
      clickHouse.query("SELECT 1");
    } catch (OperationsException e) {
      dead.add("ClickHouse " + clickHouse.url() + " does not answer");
    }
    kafka
        .filter(servers -> !StatusLook.listens(servers))
        .ifPresent(servers -> dead.add("Kafka " + servers + " does not answer"));
    try {
      if (flink.taskManagers() == 0) {
        dead.add("Flink " + flink.url() + " has no TaskManager");
      }
    } catch (OperationsException e) {
      dead.add("Flink's JobManager " + flink.url() + " does not answer");
    }
    return dead;
  }

  /** The process that keeps the platform of this directory; empty: it does not live. */
  static Optional<ProcessHandle> supervisor(Path directory) {
    if (!Files.exists(directory.resolve(FILE))) {
      return Optional.empty();
    }
    ObjectNode root = tree(directory);
    // The start time distinguishes it from a later process with the same id.
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
