package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class YamlTextTest {
  @TempDir private Path folder;

  private static String error(String yaml) {
    return YamlText.error(
            catchThrowableOfType(JsonProcessingException.class, () -> YamlText.parse(yaml)))
        .toString();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n\n", "# nothing but a comment\n", "---\n", "{}"})
  void textWithoutKeysIsAnEmptyGroup(String yaml) throws Exception {
    assertThat(YamlText.parse(yaml).isObject()).isTrue();
    assertThat(YamlText.parse(yaml)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "source: {host: a}\\nsource: {port: 1}|line 2|has the key source a second time",
        "source:\\n  host: a\\n  port: 1\\n  host: b|line 4|has the key host a second time",
        "source:\\n\\thost: a|line 2|a tab is where YAML needs spaces",
        "source:\\n  host: a\\n port: 1|line 3|is not YAML",
        "source: {host: a|line 1|is not YAML",
        "source: a: b|line 1|a colon is where no key can begin",
      })
  void errorNamesThePlaceAndTheProblemInWords(String yaml, String place, String problem) {
    assertThat(error(yaml.replace("\\n", "\n").replace("\\t", "\t")))
        .startsWith(place)
        .contains(problem)
        .doesNotContain("com.fasterxml", "in 'reader'");
  }

  @Test
  void byteOrderMarkIsSkipped() throws Exception {
    Path file = Files.writeString(folder.resolve("job.yaml"), "\uFEFFsource: {host: a}\n");

    assertThat(YamlText.parse(YamlText.read(file)).path("source").path("host").asText())
        .isEqualTo("a");
  }

  @Test
  void fileInAnotherEncodingIsRefusedByName() throws Exception {
    Path file =
        Files.write(
            folder.resolve("job.yaml"),
            "source: {host: Zürich}".getBytes(StandardCharsets.ISO_8859_1));

    assertThatThrownBy(() -> YamlText.read(file))
        .isInstanceOf(InvalidConfigurationException.class)
        .hasMessageContaining("is not encoded in UTF-8. Save it in UTF-8");
  }

  @Test
  void missingFileAndFolderAreNamedAsSuch() {
    assertThatThrownBy(() -> YamlText.read(folder.resolve("none.yaml")))
        .hasMessageContaining("does not exist");
    assertThatThrownBy(() -> YamlText.read(folder)).hasMessageContaining("is a folder, not a file");
  }
}
