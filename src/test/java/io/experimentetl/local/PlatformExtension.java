package io.experimentetl.local;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Store;

/**
 * Real servers for a test class, started when first asked for, shared by all classes of the test
 * run and stopped at its end:
 *
 * <pre>{@code
 * @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();
 * }</pre>
 *
 * A class works in databases of its own ({@link #newPostgresDatabase}, {@link
 * #newClickHouseDatabase}); names of replication slots are shared by all databases of a server and
 * must be unique. A test that kills a server starts it again.
 */
public final class PlatformExtension implements BeforeAllCallback {
  private static final ExtensionContext.Namespace NAMESPACE =
      ExtensionContext.Namespace.create(PlatformExtension.class);
  private static final AtomicInteger DATABASES = new AtomicInteger();

  /** Test JVMs that run side by side have servers of their own and share the folder target/. */
  private static final String FORK = System.getProperty("test.fork", "1");

  private Servers servers;

  @Override
  public void beforeAll(ExtensionContext context) {
    servers =
        context
            .getRoot()
            .getStore(NAMESPACE)
            .getOrComputeIfAbsent(Servers.class, type -> new Servers(), Servers.class);
  }

  public PostgresServer postgres() {
    return servers.postgres();
  }

  public ClickHouseServer clickHouse() {
    return servers.clickHouse();
  }

  public KafkaServer kafka() {
    return servers.kafka();
  }

  /** An empty database that no other test has; its name starts with the given one. */
  public PostgresEndpoint newPostgresDatabase(String name) {
    return postgres().newDatabase(unique(name));
  }

  /** An empty database that no other test has; its name starts with the given one. */
  public ClickHouseEndpoint newClickHouseDatabase(String name) {
    return clickHouse().newDatabase(unique(name));
  }

  /** A directory below target/ for this test run. */
  public Path directory() {
    return servers.directory;
  }

  private static String unique(String name) {
    return name + FORK + "_" + DATABASES.incrementAndGet();
  }

  /** Lives in the root store, which JUnit closes after the last class. */
  private static final class Servers implements Store.CloseableResource {
    private final Path directory =
        Path.of("target", "platform-it", Long.toString(ProcessHandle.current().pid()))
            .toAbsolutePath();
    private PostgresServer postgres;
    private ClickHouseServer clickHouse;
    private KafkaServer kafka;

    synchronized PostgresServer postgres() {
      if (postgres == null) {
        postgres = PostgresServer.start(directory.resolve("postgres"));
      }
      return postgres;
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

    @Override
    public synchronized void close() {
      if (kafka != null) {
        kafka.stop();
      }
      if (clickHouse != null) {
        clickHouse.stop();
      }
      if (postgres != null) {
        postgres.stop();
      }
      for (String data : new String[] {"postgres/data", "clickhouse/data", "kafka/data"}) {
        DownloadCache.deleteRecursively(directory.resolve(data));
      }
    }
  }
}
