package io.experimentetl.local.demo;

import io.experimentetl.cdc.PostgresSourceSettings;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.mapping.CaptureSql;
import io.experimentetl.operations.SqlScript;
import io.experimentetl.replicate.Replication;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;

/**
 * A folder of {@code sql/examples}: tables of a platform, the job's configuration for them, their
 * traffic, and questions to both servers.
 */
public final class Example {
  /**
   * What both servers say to one question.
   *
   * @param warehouse ClickHouse's rows, in its order, each with tabs between the values
   * @param source PostgreSQL's rows
   */
  public record Answer(String title, List<String> warehouse, List<String> source) {
    /** Rows that only one of the servers gives. */
    public List<String> differences() {
      List<String> differences = new ArrayList<>(warehouse);
      List<String> missing = new ArrayList<>();
      for (String row : source) {
        if (!differences.remove(row)) {
          missing.add(row);
        }
      }
      differences.addAll(missing);
      return differences;
    }
  }

  private final Path folder;

  private Example(Path folder) {
    this.folder = folder;
  }

  /**
   * The example of this name.
   *
   * @param home the repository's root
   */
  public static Example of(Path home, String name) {
    List<String> names = names(home);
    if (!names.contains(name)) {
      throw new PlatformException(
          "there is no example %s: name one of %s".formatted(name, String.join(", ", names)));
    }
    return new Example(examples(home).resolve(name));
  }

  /** The names of all examples. */
  public static List<String> names(Path home) {
    try (Stream<Path> folders = Files.list(examples(home))) {
      return folders
          .filter(Files::isDirectory)
          .map(found -> found.getFileName().toString())
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new PlatformException(
          "the examples in " + examples(home) + " can't be listed: " + e, e);
    }
  }

  private static Path examples(Path home) {
    return home.resolve("sql").resolve("examples");
  }

  /** The job's configuration, without addresses. */
  public Path jobConfig() {
    return folder.resolve("job.yaml");
  }

  /**
   * Makes the tables on both servers, with the rows of the snapshot.
   *
   * @param config the example's, with the addresses of both servers
   * @param postgres the login of the tables' owner
   */
  public void prepare(JobConfig config, PostgresEndpoint postgres, ClickHouseEndpoint clickHouse) {
    execute(postgres, "source.sql", statements("source.sql"));
    String capture =
        CaptureSql.of(
                config.source().tables(), config.source().publication(), config.source().username())
            .text();
    execute(postgres, "the SQL of map --sql", SqlScript.statements(capture));
    try {
      String tables = Replication.ddl(config.replicate(), PostgresSourceSettings.of(config));
      SqlScript.statements(tables).forEach(statement -> clickHouse.query(statement.text()));
    } catch (SQLException | IllegalStateException e) {
      throw new PlatformException("%s: %s".formatted(jobConfig(), e.getMessage()), e);
    }
    statements("views.sql").forEach(statement -> clickHouse.query(statement.text()));
  }

  /** Writes what happens while the job runs. */
  public void write(PostgresEndpoint postgres) {
    execute(postgres, "traffic.sql", statements("traffic.sql"));
  }

  /** Asks both servers all questions. */
  public List<Answer> answers(PostgresEndpoint postgres, ClickHouseEndpoint clickHouse) {
    List<SqlScript.Statement> questions = statements("queries.sql");
    List<SqlScript.Statement> same = statements("answers.sql");
    List<Answer> answers = new ArrayList<>();
    try (Connection connection = postgres.connect()) {
      for (int i = 0; i < questions.size(); i++) {
        String question = questions.get(i).text();
        answers.add(
            new Answer(
                question.lines().findFirst().orElseThrow().replace("-- ", ""),
                clickHouse.query(question).lines().toList(),
                rows(connection, same.get(i).text())));
      }
    } catch (SQLException e) {
      throw new PlatformException(
          "%s: %s".formatted(folder.resolve("answers.sql"), e.getMessage()), e);
    }
    return answers;
  }

  /** As ClickHouse prints rows. */
  private static List<String> rows(Connection connection, String query) throws SQLException {
    List<String> rows = new ArrayList<>();
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(query)) {
      int columns = row.getMetaData().getColumnCount();
      while (row.next()) {
        List<String> values = new ArrayList<>(Collections.nCopies(columns, "\\N"));
        for (int i = 0; i < columns; i++) {
          if (row.getString(i + 1) != null) {
            values.set(i, row.getString(i + 1));
          }
        }
        rows.add(String.join("\t", values));
      }
    }
    return rows;
  }

  private void execute(
      PostgresEndpoint postgres, String file, List<SqlScript.Statement> statements) {
    try (Connection connection = postgres.connect();
        Statement session = connection.createStatement()) {
      session.setEscapeProcessing(false);
      for (SqlScript.Statement statement : statements) {
        session.execute(statement.text());
      }
    } catch (SQLException e) {
      throw new PlatformException(
          "%s: PostgreSQL refused a statement of %s: %s".formatted(folder, file, e.getMessage()),
          e);
    }
  }

  private List<SqlScript.Statement> statements(String name) {
    Path file = folder.resolve(name);
    try {
      return SqlScript.statements(Files.readString(file));
    } catch (IOException e) {
      throw new PlatformException(file + " can't be read: " + e, e);
    }
  }
}
