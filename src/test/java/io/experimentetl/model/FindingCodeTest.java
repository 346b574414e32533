package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FindingCodeTest {
  @ParameterizedTest
  @EnumSource
  void everyCodeHasItsLineInTheReadme(FindingCode code) throws IOException {
    assertThat(Files.readAllLines(Path.of("README.md")))
        .contains(
            "| %s | %s | %s | %s | %s |"
                .formatted(
                    code.code(),
                    code.severity().name().toLowerCase(Locale.ROOT),
                    code.resolvable() ? "yes" : "",
                    code.sentence(),
                    code.remedy()));
  }

  @ParameterizedTest
  @EnumSource
  void aCodeIsFoundByItsText(FindingCode code) {
    assertThat(FindingCode.ofCode(code.code())).isEqualTo(code);
  }
}
