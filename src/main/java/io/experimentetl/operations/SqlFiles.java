package io.experimentetl.operations;

import io.experimentetl.archive.ArchivedTable;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Applies the files of sql/, in the order of their names. They are written so that applying them
 * twice is safe.
 */
public final class SqlFiles {
  /** The time from which forget_erased_users.sql counts a day. */
  private static final String NEWEST_MARKER = "(SELECT max(written_at) FROM etl_sink_progress)";

  private final Path root;

  /**
   * The files below one directory.
   *
   * @param root the directory with {@code postgres} and {@code clickhouse}
   */
  public SqlFiles(Path root) {
    this.root = root;
  }

  /** The files of this build, on the class path: in the jar, or in the build's folder. */
  public static SqlFiles bundled() {
    URL found = SqlFiles.class.getResource("/sql");
    if (found == null) {
      throw new OperationsException("this build has no SQL files; run mvn -DskipTests package");
    }
    try {
      URI uri = found.toURI();
      return new SqlFiles(
          uri.getScheme().equals("jar") ? fileSystem(uri).getPath("/sql") : Path.of(uri));
    } catch (URISyntaxException | IOException e) {
      throw new OperationsException("the SQL files at " + found + " cannot be read: " + e, e);
    }
  }

  private static FileSystem fileSystem(URI jar) throws IOException {
    try {
      return FileSystems.newFileSystem(jar, Map.of());
    } catch (FileSystemAlreadyExistsException e) {
      return FileSystems.getFileSystem(jar);
    }
  }

  @FunctionalInterface
  private interface Executor {
    void execute(String statement) throws SQLException;
  }

  /**
   * Applies sql/postgres, each statement in a transaction of its own: a replication slot cannot be
   * made in a transaction that has written.
   */
  public void applyTo(PostgresLogin database) {
    applyTo(database, true);
  }

  /**
   * The same.
   *
   * @param withPlatform false leaves out 001_platform.sql, for a database that has the platform's
   *     tables
   */
  public void applyTo(PostgresLogin database, boolean withPlatform) {
    try (Connection connection = database.connect()) {
      apply("postgres", file -> withPlatform || !file.equals("001_platform.sql"), in(connection));
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL " + database + " cannot be reached: " + e.getMessage(), e);
    }
  }

  /** Makes the replication slot, which the session's {@code experiment_etl.slot} names. */
  void createSlot(Connection connection) {
    apply(root.resolve("postgres/003_slot.sql"), in(connection));
  }

  /** The text of sql/postgres/003_slot.sql. */
  String slot() {
    return read(root.resolve("postgres/003_slot.sql"));
  }

  private static Executor in(Connection connection) {
    return sql -> {
      try (Statement statement = connection.createStatement()) {
        statement.setEscapeProcessing(false);
        statement.execute(sql);
      }
    };
  }

  /**
   * Applies sql/clickhouse inside the database, which must exist. A table whose rows only the
   * archive removes gets no TTL.
   *
   * @param withRetention false leaves out the TTLs (9xx_retention.sql), for data from long ago
   */
  public void applyTo(ClickHouseLogin database, boolean withRetention) {
    try (ClickHouseSession session = database.connect()) {
      List<String> archived =
          session.list(
              "SELECT name FROM system.tables WHERE database = currentDatabase() AND create_table_query LIKE '%CONSTRAINT "
                  + ArchivedTable.GUARD
                  + "%'",
              row -> row.getString(1));
      apply(
          "clickhouse",
          file -> withRetention || !file.matches("9\\d\\d_retention\\.sql"),
          sql -> {
            boolean wouldRemoveRows =
                sql.contains("ADD CONSTRAINT " + ArchivedTable.GUARD)
                    && archived.stream()
                        .anyMatch(table -> sql.startsWith("ALTER TABLE " + table + " "));
            if (!wouldRemoveRows) {
              session.execute(sql);
            }
          });
    }
  }

  /** Removes the rows of users who were erased at least a day ago. */
  public void forgetErasedUsers(ClickHouseLogin database) {
    try (ClickHouseSession session = database.connect()) {
      apply(root.resolve("clickhouse/scheduled/forget_erased_users.sql"), session::execute);
    }
  }

  /**
   * The same, but counts the day from this time, which was read before the archive forgot the
   * users: ClickHouse forgets nobody whose erasure has become visible since.
   *
   * @param visibleUntil a time as ClickHouse writes it, in UTC
   */
  public void forgetErasedUsers(ClickHouseLogin database, String visibleUntil) {
    String file = read(root.resolve("clickhouse/scheduled/forget_erased_users.sql"));
    try (ClickHouseSession session = database.connect()) {
      for (SqlScript.Statement statement : SqlScript.statements(file)) {
        session.execute(
            statement
                .text()
                .replace(NEWEST_MARKER, "toDateTime64('%s', 6, 'UTC')".formatted(visibleUntil)));
      }
    }
  }

  /** The statements of sql/clickhouse/900_retention.sql, one for each table with a TTL. */
  public List<String> warehouseRetention() {
    return SqlScript.statements(read(root.resolve("clickhouse/900_retention.sql"))).stream()
        .map(SqlScript.Statement::text)
        .toList();
  }

  private void apply(String directory, Predicate<String> wanted, Executor executor) {
    for (Path file : files(root.resolve(directory))) {
      if (wanted.test(file.getFileName().toString())) {
        apply(file, executor);
      }
    }
  }

  private static void apply(Path file, Executor executor) {
    for (SqlScript.Statement statement : SqlScript.statements(read(file))) {
      try {
        executor.execute(statement.text());
      } catch (SQLException | OperationsException e) {
        throw new OperationsException(
            "%s, the statement of line %d, was refused: %s%n%s"
                .formatted(file, statement.line(), e.getMessage(), statement.text()),
            e);
      }
    }
  }

  private static List<Path> files(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.filter(file -> file.toString().endsWith(".sql")).sorted().toList();
    } catch (IOException e) {
      throw new OperationsException("the SQL files in " + directory + " cannot be listed: " + e, e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new OperationsException("the SQL file " + file + " cannot be read: " + e, e);
    }
  }
}
