package io.experimentetl.operations;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Applies the files of sql/, in the order of their names. They are written so that applying them
 * twice is safe.
 */
public final class SqlFiles {
  private final Path root;

  /**
   * The files below one directory.
   *
   * @param root the directory with {@code postgres} and {@code clickhouse}
   */
  public SqlFiles(Path root) {
    this.root = root;
  }

  @FunctionalInterface
  private interface Executor {
    void execute(String statement) throws SQLException;
  }

  /**
   * Each statement in a transaction of its own: a replication slot can't be made in one that has
   * written.
   */
  public void applyTo(PostgresLogin database) {
    try (Connection connection = database.connect()) {
      apply(
          "postgres",
          file -> true,
          statement -> {
            try (java.sql.Statement jdbc = connection.createStatement()) {
              jdbc.setEscapeProcessing(false);
              jdbc.execute(statement);
            }
          });
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL " + database + " can't be reached: " + e.getMessage(), e);
    }
  }

  /**
   * Applies sql/clickhouse inside the database, which must exist.
   *
   * @param withRetention false leaves out the TTLs (9xx_retention.sql), for data from long ago
   */
  public void applyTo(ClickHouseEndpoint database, boolean withRetention) {
    apply(
        "clickhouse",
        file -> withRetention || !file.matches("9\\d\\d_retention\\.sql"),
        database::query);
  }

  private void apply(String directory, Predicate<String> wanted, Executor executor) {
    for (Path file : files(root.resolve(directory))) {
      if (!wanted.test(file.getFileName().toString())) {
        continue;
      }
      apply(file, executor);
    }
  }

  /** Removes physically what users left who were erased a day ago: what a scheduler runs daily. */
  public void forgetErasedUsers(ClickHouseEndpoint database) {
    apply(root.resolve("clickhouse/scheduled/forget_erased_users.sql"), database::query);
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
      throw new OperationsException("the SQL files in " + directory + " can't be listed: " + e, e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new OperationsException("the SQL file " + file + " can't be read: " + e, e);
    }
  }
}
