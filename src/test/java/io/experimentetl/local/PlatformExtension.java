package io.experimentetl.local;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Real servers for a test class, started when first asked for, shared by all classes of the test
 * JVM and killed at its end:
 *
 * <pre>{@code
 * @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();
 * }</pre>
 *
 * A class works in databases of its own ({@link #newPostgresDatabase}, {@link
 * #newClickHouseDatabase}), which are dropped behind it; names of replication slots are shared by
 * all databases of a server and must be unique, roles likewise. A test that kills a server starts
 * it again.
 */
public final class PlatformExtension implements BeforeAllCallback, AfterAllCallback {
  private static final AtomicInteger DATABASES = new AtomicInteger();

  /** Test JVMs that run side by side have servers of their own and share the folder target/. */
  private static final String FORK = System.getProperty("test.fork", "1");

  /** Not in JUnit's store: Surefire runs each class of a forked JVM as a test run of its own. */
  private static final Servers SERVERS = new Servers();

  static {
    // Long enough for a machine that does other work beside. A condition that holds ends its wait.
    Awaitility.setDefaultTimeout(Duration.ofMinutes(1));
  }

  private final Queue<PostgresEndpoint> postgresDatabases = new ConcurrentLinkedQueue<>();
  private final Queue<ClickHouseEndpoint> clickHouseDatabases = new ConcurrentLinkedQueue<>();

  @Override
  public void beforeAll(ExtensionContext context) {
    SERVERS.startThoseThatATestHasLeftStopped();
  }

  /** Drops the databases of the class, and its slots, which would keep PostgreSQL's log. */
  @Override
  public void afterAll(ExtensionContext context) {
    for (PostgresEndpoint database : postgresDatabases) {
      // A job that is ending may take its slot once more.
      Awaitility.await().ignoreExceptions().until(() -> drop(database));
    }
    for (ClickHouseEndpoint database : clickHouseDatabases) {
      clickHouse().endpoint().query("DROP DATABASE IF EXISTS `" + database.database() + '`');
    }
  }

  private boolean drop(PostgresEndpoint database) throws SQLException {
    String ofTheDatabase =
        " FROM pg_replication_slots WHERE database = '" + database.database() + "'";
    try (Connection connection = postgres().endpoint().connect();
        Statement statement = connection.createStatement()) {
      // A slot is released a moment after its reader has been asked to end.
      statement.execute(
          "SELECT pg_terminate_backend(active_pid, 10000)" + ofTheDatabase + " AND active");
      statement.execute("SELECT pg_drop_replication_slot(slot_name)" + ofTheDatabase);
      statement.execute("DROP DATABASE IF EXISTS \"" + database.database() + "\" WITH (FORCE)");
      return true;
    }
  }

  public PostgresServer postgres() {
    return SERVERS.postgres();
  }

  public ClickHouseServer clickHouse() {
    return SERVERS.clickHouse();
  }

  public KafkaServer kafka() {
    return SERVERS.kafka();
  }

  /** An empty database that no other test has; its name starts with the given one. */
  public PostgresEndpoint newPostgresDatabase(String name) {
    PostgresEndpoint database = postgres().newDatabase(unique(name));
    postgresDatabases.add(database);
    return database;
  }

  /** An empty database that no other test has; its name starts with the given one. */
  public ClickHouseEndpoint newClickHouseDatabase(String name) {
    ClickHouseEndpoint database = clickHouse().newDatabase(unique(name));
    clickHouseDatabases.add(database);
    return database;
  }

  /** A directory below target/ for this test run. */
  public Path directory() {
    return SERVERS.directory;
  }

  private static String unique(String name) {
    return name + FORK + "_" + DATABASES.incrementAndGet();
  }

  /** The JVM's servers. */
  private static final class Servers {
    private final Path directory =
        Path.of("target", "platform-it", Long.toString(ProcessHandle.current().pid()))
            .toAbsolutePath();
    private PostgresServer postgres;
    private ClickHouseServer clickHouse;
    private KafkaServer kafka;

    Servers() {
      Runtime.getRuntime().addShutdownHook(new Thread(this::killAndDelete));
    }

    synchronized PostgresServer postgres() {
      if (postgres == null) {
        postgres = PostgresServer.start(directory.resolve("postgres"));
        withoutFsync(postgres.endpoint());
      }
      return postgres;
    }

    /** Tests kill the server and never the machine: what was written survives without it. */
    private static void withoutFsync(PostgresEndpoint server) {
      try (Connection connection = server.connect();
          Statement statement = connection.createStatement()) {
        statement.execute("ALTER SYSTEM SET fsync = off");
        statement.execute("SELECT pg_reload_conf()");
      } catch (SQLException e) {
        throw new PlatformException("PostgreSQL " + server + " refuses fsync = off", e);
      }
    }

    synchronized ClickHouseServer clickHouse() {
      if (clickHouse == null) {
        clickHouse = ClickHouseServer.start(directory.resolve("clickhouse"));
      }
      return clickHouse;
    }

    synchronized KafkaServer kafka() {
      if (kafka == null) {
        kafka = KafkaServer.start(directory.resolve("kafka"));
      }
      return kafka;
    }

    /** A failed test may have ended between the kill of a server and its start. */
    synchronized void startThoseThatATestHasLeftStopped() {
      if (postgres != null && !postgres.isAlive()) {
        postgres.start();
      }
      if (clickHouse != null && !clickHouse.isAlive()) {
        clickHouse.start();
      }
      if (kafka != null && !kafka.isAlive()) {
        kafka.start();
      }
    }

    private synchronized void killAndDelete() {
      if (kafka != null) {
        kafka.kill9();
      }
      if (clickHouse != null) {
        clickHouse.kill9();
      }
      if (postgres != null) {
        postgres.kill9();
      }
      for (String data : new String[] {"postgres/data", "clickhouse/data", "kafka/data"}) {
        DownloadCache.deleteRecursively(directory.resolve(data));
      }
    }
  }
}
