package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ConfigurationPageTest {
  private static final Path FILE = Path.of("src/main/resources/experiment-etl.yaml");
  private static final Path PAGE = Path.of("docs/configuration.md");
  private static final Path GENERATED = Path.of("target/configuration.md");

  @Test
  void pageIsGeneratedFromTheConfigurationFile() throws IOException {
    String generated = new ConfigurationPage(Files.readString(FILE)).markdown();
    Files.writeString(GENERATED, generated);
    assertThat(Files.readString(PAGE))
        .as("%s; to renew it, copy %s there", PAGE, GENERATED)
        .isEqualTo(generated);
  }

  @Test
  void everyKeyHasAComment() throws IOException {
    String page = new ConfigurationPage(Files.readString(FILE)).markdown();
    assertThat(page).doesNotContain("|  |").doesNotContain("| null |");
  }
}
