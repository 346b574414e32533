package io.experimentetl.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The files of sql/clickhouse for a cluster: the text of their placeholders, in its place. */
class ClusterSqlTest {
  private static final Pattern PLACEHOLDER = Pattern.compile("/\\*cluster:(.*?)\\*/");
  private static final Path PAGE = Path.of("docs/deployment.md");

  /** The statements that a cluster gets, in their order. */
  static List<String> forCluster() throws IOException {
    List<String> statements = new ArrayList<>();
    for (Path file : files()) {
      String text = PLACEHOLDER.matcher(Files.readString(file)).replaceAll("$1");
      SqlScript.statements(text).forEach(statement -> statements.add(statement.text()));
    }
    return statements;
  }

  private static List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(Path.of("sql/clickhouse"))) {
      return files.filter(file -> file.toString().endsWith(".sql")).sorted().toList();
    }
  }

  @Test
  void everyStatementRunsOnTheWholeCluster() throws IOException {
    assertThat(forCluster())
        .hasSizeGreaterThan(20)
        .allSatisfy(
            statement ->
                assertThat(withoutComments(statement))
                    .matches(
                        "(?s)(CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE) \\w+ ON CLUSTER '\\{cluster}'\\s.*"));
  }

  @Test
  void everyTableIsReplicatedAndRemembersTokensForAWeek() throws IOException {
    List<String> tables =
        forCluster().stream().filter(statement -> statement.contains("CREATE TABLE")).toList();
    assertThat(tables)
        .hasSize(15)
        .allSatisfy(
            table ->
                assertThat(table)
                    .containsPattern("(?m)^ENGINE = Replicated(Replacing)?MergeTree")
                    .doesNotContain("/*"));
    assertThat(tables)
        .filteredOn(table -> table.contains("_batch_id "))
        .hasSize(10)
        .allSatisfy(
            table ->
                assertThat(table)
                    .contains(
                        "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync"));
  }

  /** So that no file can be changed for a cluster only. */
  @Test
  void placeholdersAreCommentsOnOneServer() throws IOException {
    for (Path file : files()) {
      String text = Files.readString(file);
      assertThat(PLACEHOLDER.matcher(text).replaceAll(""))
          .as(file.toString())
          .doesNotContain("ON CLUSTER", "ENGINE = Replicated");
    }
  }

  @Test
  void mutationsOfTheCleanUpAreAllowedOnReplicas() throws IOException {
    String text = Files.readString(Path.of("sql/clickhouse/scheduled/forget_erased_users.sql"));
    assertThat(SqlScript.statements(text))
        .hasSize(4)
        .allSatisfy(
            statement ->
                assertThat(statement.text())
                    .endsWith("SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1"));
  }

  @Test
  void commandOfTheDocumentationMakesTheSameStatements() throws IOException, InterruptedException {
    Matcher command =
        Pattern.compile("(?m)^(cat sql/clickhouse/\\*\\.sql \\| sed .+?) \\| clickhouse-client")
            .matcher(Files.readString(PAGE));
    assertThat(command.find()).as("the command in " + PAGE).isTrue();
    Process process = new ProcessBuilder("bash", "-c", command.group(1)).start();
    String printed =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertThat(process.waitFor()).isZero();
    assertThat(SqlScript.statements(printed).stream().map(SqlScript.Statement::text))
        .containsExactlyElementsOf(forCluster());
  }

  private static String withoutComments(String statement) {
    return statement.replaceAll("(?m)^--.*\n", "").strip();
  }
}
