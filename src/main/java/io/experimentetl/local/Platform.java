package io.experimentetl.local;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.YamlText;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.JobEnvironment;
import io.experimentetl.operations.SqlFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * All servers that the job needs, with their data below one directory: PostgreSQL and ClickHouse
 * with sql/ applied, Kafka, a Flink cluster, and the job's configuration file for them. {@code
 * ./etl demo} holds it in the foreground, {@code ./etl up} in a process that stays.
 */
public final class Platform implements AutoCloseable {
  /** The name of the database, in PostgreSQL and in ClickHouse. */
  public static final String DATABASE = "experiments";

  private static final String JOB_CONFIG = "job.yaml";

  private static final Duration WATCH_INTERVAL = Duration.ofSeconds(1);
  private static final ObjectMapper YAML =
      new ObjectMapper(new YAMLFactory().disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER));

  private final Path directory;
  private PostgresServer postgres;
  private ClickHouseServer clickHouse;
  private KafkaServer kafka;
  private FlinkCluster flink;
  private PlatformAddresses addresses;
  private final Consumer<String> journal;
  private final AtomicBoolean closing = new AtomicBoolean();

  private Platform(Path directory, Consumer<String> journal) {
    this.directory = directory.toAbsolutePath();
    this.journal = journal;
  }

  /**
   * Starts the servers that no option names by a URL, and applies the SQL. All of it stops with
   * {@link #close()}, with this JVM's end, and when this JVM is killed. Data that the directory
   * already has is kept.
   *
   * @param home the repository's root, with sql/ and flink-conf/
   * @throws PlatformException with the missing part; nothing is left running then
   */
  public static Platform start(Path directory, Path home, PlatformOptions options) {
    return start(directory, home, options, event -> {});
  }

  /**
   * The same.
   *
   * @param journal takes a line when a server starts, stops or dies
   */
  public static Platform start(
      Path directory, Path home, PlatformOptions options, Consumer<String> journal) {
    requireSoundJobConfig(directory, options);
    Platform platform = new Platform(directory, journal);
    Runtime.getRuntime().addShutdownHook(new Thread(platform::close, "stop-platform"));
    try {
      platform.startAll(home, options);
      return platform;
    } catch (RuntimeException | Error e) {
      try {
        platform.close();
      } catch (RuntimeException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  public PlatformAddresses addresses() {
    return addresses;
  }

  /** The own server; empty when an option named another by a URL. */
  public Optional<PostgresServer> postgresServer() {
    return Optional.ofNullable(postgres);
  }

  /** The own server; empty when an option named another by a URL. */
  public Optional<ClickHouseServer> clickHouseServer() {
    return Optional.ofNullable(clickHouse);
  }

  /** The own broker; empty when an option named another, or none. */
  public Optional<KafkaServer> kafkaServer() {
    return Optional.ofNullable(kafka);
  }

  /** The own cluster; empty when an option named another by a URL. */
  public Optional<FlinkCluster> flinkCluster() {
    return Optional.ofNullable(flink);
  }

  public Path directory() {
    return directory;
  }

  /** The own servers. */
  private List<ServerProcess> processes() {
    List<ServerProcess> processes = new ArrayList<>();
    Optional.ofNullable(postgres).map(PostgresServer::process).ifPresent(processes::add);
    Optional.ofNullable(clickHouse).map(ClickHouseServer::process).ifPresent(processes::add);
    Optional.ofNullable(kafka).map(KafkaServer::process).ifPresent(processes::add);
    Optional.ofNullable(flink).map(FlinkCluster::processes).ifPresent(processes::addAll);
    return processes;
  }

  /**
   * Reports each server that dies to the journal, until the thread is interrupted.
   *
   * @throws InterruptedException always, in the end
   */
  void watch() throws InterruptedException {
    List<ServerProcess> watched = processes();
    while (true) {
      for (ServerProcess server : List.copyOf(watched)) {
        if (!server.isAlive() && !closing.get()) {
          watched.remove(server);
          journal.accept(
              "%s (process %d) died with exit code %d; its log is %s; ./etl down and ./etl up start it again on its data"
                  .formatted(server.name(), server.pid(), server.exitCode(), server.log()));
        }
      }
      Thread.sleep(WATCH_INTERVAL.toMillis());
    }
  }

  /** Stops the own servers in order; their data stays. The JVM's end closes it again, silently. */
  @Override
  public void close() {
    boolean again = closing.getAndSet(true);
    if (!again) {
      journal.accept("stopping all servers");
    }
    try {
      if (flink != null) {
        flink.stop();
      }
    } finally {
      try {
        if (kafka != null) {
          kafka.stop();
        }
      } finally {
        try {
          if (clickHouse != null) {
            clickHouse.stop();
          }
        } finally {
          if (postgres != null) {
            postgres.stop();
          }
          if (!again) {
            journal.accept("stopped");
          }
        }
      }
    }
  }

  private void startAll(Path home, PlatformOptions options) {
    Optional<PostgresEndpoint> givenPostgres = options.postgres();
    Optional<ClickHouseEndpoint> givenClickHouse = options.clickHouse();
    Optional<FlinkEndpoint> givenFlink = options.flink();
    CompletableFuture<PostgresEndpoint> postgresReady =
        CompletableFuture.supplyAsync(() -> givenPostgres.orElseGet(this::startPostgres));
    CompletableFuture<ClickHouseEndpoint> clickHouseReady =
        CompletableFuture.supplyAsync(() -> givenClickHouse.orElseGet(this::startClickHouse));
    CompletableFuture<Optional<String>> kafkaReady =
        CompletableFuture.supplyAsync(() -> options.kafka().or(() -> startKafka(options)));
    // Awaits all before it reports the first failure: close() must see every started server.
    CompletableFuture<Void> all =
        CompletableFuture.allOf(postgresReady, clickHouseReady, kafkaReady);
    try {
      all.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof PlatformException known
          ? new PlatformException(known.getMessage(), e)
          : e;
    }
    PostgresEndpoint source = postgresReady.join();
    ClickHouseEndpoint target = clickHouseReady.join();
    SqlFiles sql = new SqlFiles(home.resolve("sql"));
    journal.accept("applying sql/ to PostgreSQL and ClickHouse");
    PostgresEndpoint jobsSource =
        givenPostgres.isPresent()
            ? prepareGivenSource(sql, source, directory)
            : prepareOwnSource(sql, source);
    target
        .withDatabase("default")
        .query("CREATE DATABASE IF NOT EXISTS `" + target.database() + "`");
    sql.applyTo(target.login(), !options.withoutTtl);
    ClickHouseEndpoint jobsTarget = clickHouse == null ? target : clickHouse.ofJob(target);
    FlinkEndpoint cluster =
        givenFlink.orElseGet(() -> startFlink(home, options, jobsSource, jobsTarget));
    addresses =
        new PlatformAddresses(
            source,
            target,
            kafkaReady.join(),
            cluster,
            Optional.ofNullable(flink).map(FlinkCluster::savepointDirectory),
            writeJobConfig(options, jobsSource, jobsTarget, kafkaReady.join()),
            new Launch(
                postgres != null,
                clickHouse != null,
                flink != null,
                options.given(),
                flink == null ? new TreeMap<>() : JobEnvironment.overrides(System.getenv())));
    createTopics();
    for (ServerProcess server : processes()) {
      journal.accept(
          "%s runs, process %d, log %s".formatted(server.name(), server.pid(), server.log()));
    }
    addresses.write(directory);
  }

  private FlinkEndpoint startFlink(
      Path home, PlatformOptions options, PostgresEndpoint source, ClickHouseEndpoint target) {
    Map<String, String> secrets = new HashMap<>();
    secrets.put("EXPERIMENT_ETL_SOURCE_PASSWORD", source.password());
    secrets.put("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", target.password());
    journal.accept("starting the Flink cluster");
    flink =
        FlinkCluster.start(
            directory.resolve("flink"),
            home.resolve("flink-conf"),
            options.flinkSettings,
            secrets,
            options.taskManagers);
    return flink.endpoint();
  }

  /** Creates the topics that the job writes, only on our own broker. */
  private void createTopics() {
    if (kafka == null) {
      return;
    }
    JobConfig config = addresses.loadJobConfig();
    List<String> topics = new ArrayList<>();
    config
        .outbox()
        .aggregateTypes()
        .forEach(type -> topics.add(config.outbox().topicPrefix() + type));
    Optional.ofNullable(config.kafka().findingsTopic()).ifPresent(topics::add);
    KafkaTopic.create(kafka.bootstrapServers(), topics);
  }

  private PostgresEndpoint startPostgres() {
    journal.accept("starting PostgreSQL");
    postgres = PostgresServer.start(directory.resolve("postgres"));
    PostgresEndpoint server = postgres.endpoint();
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement();
        ResultSet found =
            statement.executeQuery(
                "SELECT 1 FROM pg_database WHERE datname = '" + DATABASE + "'")) {
      return found.next() ? server.withDatabase(DATABASE) : postgres.newDatabase(DATABASE);
    } catch (SQLException e) {
      throw new PlatformException(
          "PostgreSQL " + server + " does not answer: " + e.getMessage(), e);
    }
  }

  private static PostgresEndpoint prepareOwnSource(SqlFiles sql, PostgresEndpoint source) {
    sql.applyTo(source.login());
    return JobRole.onOwnServer(source);
  }

  /**
   * Applies sql/postgres to a server of others, and returns the job's login. The tables of a
   * platform that is there already are left alone.
   *
   * @param directory keeps the password of the job's role
   */
  static PostgresEndpoint prepareGivenSource(
      SqlFiles sql, PostgresEndpoint source, Path directory) {
    JobRole role = JobRole.before(source);
    boolean prepared =
        source.count("SELECT count(*) FROM pg_class WHERE oid = to_regclass('etl_heartbeat')") > 0;
    if (role.mayApplySql() || !prepared) {
      boolean hasPlatform =
          source.count("SELECT count(*) FROM pg_class WHERE oid = to_regclass('experiments')") > 0;
      sql.applyTo(source.login(), !hasPlatform);
    }
    return role.onGivenServer(directory);
  }

  private ClickHouseEndpoint startClickHouse() {
    journal.accept("starting ClickHouse");
    clickHouse = ClickHouseServer.start(directory.resolve("clickhouse"));
    return clickHouse.newDatabase(DATABASE);
  }

  private Optional<String> startKafka(PlatformOptions options) {
    if (options.withoutKafka) {
      return Optional.empty();
    }
    journal.accept("starting Kafka");
    kafka = KafkaServer.start(directory.resolve("kafka"));
    return Optional.of(kafka.bootstrapServers());
  }

  /**
   * Checks the job's configuration before anything starts: all of it but the addresses is known by
   * then.
   *
   * @throws PlatformException with all its errors
   */
  public static void requireSoundJobConfig(Path directory, PlatformOptions options) {
    Path draft = directory.resolve("job.yaml.draft");
    SortedMap<String, String> environment = JobEnvironment.overrides(System.getenv());
    // The own servers' passwords are made when they start.
    environment.put("EXPERIMENT_ETL_SOURCE_PASSWORD", "known later");
    environment.put("EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "known later");
    try {
      OwnerOnly.folder(directory);
      YAML.writeValue(draft.toFile(), jobKeys(directory, options));
      JobConfig.load(draft, environment);
    } catch (InvalidConfigurationException e) {
      throw new PlatformException(
          e.getMessage()
              .replace(
                  "The configuration " + draft,
                  "The job's configuration"
                      + configuration(directory, options).map(file -> " " + file).orElse("")),
          e);
    } catch (IOException e) {
      throw new PlatformException("the job's configuration " + draft + " can't be made: " + e, e);
    } finally {
      DownloadCache.deleteRecursively(draft);
    }
  }

  /** The given configuration, else the one of the former platform in this directory. */
  private static Optional<Path> configuration(Path directory, PlatformOptions options) {
    return Optional.ofNullable(options.jobConfig)
        .or(() -> Optional.of(directory.resolve(JOB_CONFIG)).filter(Files::exists));
  }

  /** The configuration with the options' changes. */
  private static ObjectNode jobKeys(Path directory, PlatformOptions options) {
    Optional<Path> configuration = configuration(directory, options);
    try {
      JsonNode given =
          configuration.isEmpty()
              ? YAML.createObjectNode()
              : YamlText.parse(YamlText.read(configuration.get()));
      if (!(given instanceof ObjectNode root)) {
        throw new PlatformException(
            "the job's configuration " + configuration.orElseThrow() + " is not a group of keys");
      }
      if (options.jobConfig == null) {
        // The former password files may be outdated; the present ones are written below.
        for (String group : List.of("source", "clickhouse")) {
          if (root.path(group) instanceof ObjectNode keys) {
            keys.remove("password-file");
          }
        }
      }
      for (Map.Entry<String, String> setting : options.jobSettings.entrySet()) {
        int dot = setting.getKey().lastIndexOf('.');
        if (dot < 0) {
          throw new PlatformException(
              "--set " + setting.getKey() + ": name the key with its group, e.g. statistics.zone");
        }
        root.withObject("/" + setting.getKey().substring(0, dot).replace('.', '/'))
            .set(setting.getKey().substring(dot + 1), YAML.readTree(setting.getValue()));
      }
      return root;
    } catch (JsonProcessingException e) {
      throw new PlatformException(
          "the job's configuration %s: %s"
              .formatted(
                  configuration.isEmpty() ? options.jobSettings : configuration.get(),
                  YamlText.error(e)));
    }
  }

  private Path writeJobConfig(
      PlatformOptions options,
      PostgresEndpoint source,
      ClickHouseEndpoint target,
      Optional<String> broker) {
    Path file = directory.resolve(JOB_CONFIG);
    ObjectNode root = jobKeys(directory, options);
    try {
      ObjectNode sourceKeys = root.withObject("/source");
      sourceKeys
          .put("host", source.host())
          .put("port", source.port())
          .put("database", source.database())
          .put("username", source.user());
      ObjectNode targetKeys = root.withObject("/clickhouse");
      targetKeys
          .put("url", target.url())
          .put("database", target.database())
          .put("username", target.user());
      broker.ifPresentOrElse(
          servers -> {
            root.withObject("/kafka").put("bootstrap-servers", servers);
            ObjectNode outbox = root.withObject("/outbox");
            if (kafka != null && !outbox.has("enabled")) {
              outbox.put("enabled", true);
            }
          },
          () -> {
            if (options.jobConfig == null) {
              root.withObject("/kafka").remove("bootstrap-servers");
              root.withObject("/outbox").remove("enabled");
            }
          });
      if (flink != null) {
        // The own cluster reads this machine's files, so the configuration alone is enough for the
        // job
        // and for other commands.
        sourceKeys.put("password-file", secretFile("postgres.password", source.password()));
        targetKeys.put("password-file", secretFile("clickhouse.password", target.password()));
      }
      OwnerOnly.folder(directory);
      YAML.writeValue(file.toFile(), root);
      return file;
    } catch (IOException e) {
      throw new PlatformException("the job's configuration " + file + " can't be made: " + e, e);
    }
  }

  private String secretFile(String name, String secret) throws IOException {
    Path file = directory.resolve(name);
    ServerIdentity.writeSecret(file, secret + "\n");
    return file.toString();
  }
}
