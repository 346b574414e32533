package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
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

  /** Who produces the kinds that {@code ExperimentEtlJobIT} does not. */
  private static final Map<FindingCode, String> PRODUCED_ELSEWHERE =
      Map.of(
          FindingCode.O_EVENT_WITHOUT_OUTBOX, "outbox/OutboxIT",
          FindingCode.O_OUTBOX_WITHOUT_EVENT, "outbox/OutboxIT",
          FindingCode.O_PAYLOAD_MISMATCH, "outbox/OutboxIT",
          FindingCode.O_UNKNOWN_SHAPE, "outbox/OutboxIT",
          FindingCode.O_STUCK, "outbox/OutboxIT",
          FindingCode.X_COUNT_MISMATCH, "audit/AuditIT",
          FindingCode.X_CHECKSUM_MISMATCH, "audit/AuditIT",
          FindingCode.X_AGG_MISMATCH, "audit/AuditIT");

  @ParameterizedTest
  @EnumSource
  void everyCodeIsProducedFromSqlOnRealServers(FindingCode code) throws IOException {
    String test = PRODUCED_ELSEWHERE.getOrDefault(code, "ExperimentEtlJobIT");
    assertThat(Files.readString(Path.of("src/test/java/io/experimentetl", test + ".java")))
        .contains("\"" + code.code());
  }
}
