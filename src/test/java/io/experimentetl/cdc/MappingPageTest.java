package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.config.JobConfig;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.RowColumns;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceRow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The examples of docs/mapping.md: an entry, a row of the source, and what it gives. */
class MappingPageTest {
  private static final Pattern EXAMPLE =
      Pattern.compile("(?s)```yaml\n(.*?)```\n```json\n(.*?)```");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @TestFactory
  List<DynamicTest> exampleGivesWhatThePageSays() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    String page = Files.readString(Path.of("docs/mapping.md"));
    for (MatchResult example : EXAMPLE.matcher(page).results().toList()) {
      tests.add(
          DynamicTest.dynamicTest(
              example.group(1).lines().findFirst().orElseThrow(),
              () -> check(example.group(1), JSON.readTree(example.group(2)))));
    }
    assertThat(tests).hasSizeGreaterThan(10);
    return tests;
  }

  private void check(String yaml, JsonNode example) throws IOException {
    Path file = Files.createTempFile(folder, "etl", ".yaml");
    // The key of RFC 4231, test case 2.
    Path key = Files.writeString(folder.resolve("mask-key"), "Jefe\n");
    Files.writeString(
        file,
        "source:\n  tables:\n" + yaml.replace("/run/secrets/mask-key", key.toString()).indent(4));
    SourceMapping mapping =
        JobConfig.load(
                file,
                Map.of(
                    "EXPERIMENT_ETL_SOURCE_PASSWORD", "p",
                    "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "p"))
            .source()
            .tables();
    String first = yaml.substring(0, yaml.indexOf(':'));
    String entry = example.path("entry").asText(first);
    JsonRowReader reader =
        new JsonRowReader(
            mapping.entry(
                entry.equals("facts") ? "facts." + mapping.facts().get(0).name() : entry));
    JsonNode row = example.get("row");
    if (example.get("gives").isNull()) {
      assertThat(reader.match(row, null)).isEqualTo(MappedColumn.MappedFilter.Match.NO);
      return;
    }
    boolean erases = example.path("erases").asBoolean(false);
    assertThat(reader.erases(row, null)).isEqualTo(erases);
    SourceRow read = erases ? reader.readOld(row) : reader.read(row, null);
    if (reader.binding().elements() != null) {
      ListedRows list = new ListedRows(reader.binding());
      read = list.changes(ChangeKind.READ, null, read).get(0).after();
    }
    for (Map.Entry<String, JsonNode> expected : example.get("gives").properties()) {
      Object value = value(reader.binding().table().columns(), expected.getKey(), read);
      assertThat(value instanceof EventId id ? id.sourceId() : value)
          .as(expected.getKey())
          .isEqualTo(plain(expected.getValue(), value));
    }
  }

  @SuppressWarnings("unchecked")
  private static <R> Object value(RowColumns<R> columns, String column, SourceRow row) {
    SourceColumn<R> declared = columns.named(column);
    return declared.of((R) row);
  }

  private static Object plain(JsonNode expected, Object like) {
    if (expected.isNull()) {
      return null;
    }
    if (expected.isBoolean()) {
      return expected.booleanValue();
    }
    if (expected.isTextual()) {
      return expected.textValue();
    }
    return like instanceof Double ? (Object) expected.doubleValue() : expected.longValue();
  }
}
