package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FindingCodeTest {
  @ParameterizedTest
  @EnumSource
  void codeIsFoundByItsText(FindingCode code) {
    assertThat(FindingCode.ofCode(code.code())).isEqualTo(code);
  }

  @Test
  void rowWithACodeThatDependsOnTimingIsNotReplayStable() {
    RowVersion asSent = new RowVersion(8, 1, RowVersion.ofSequenceNumber(8), false, "");

    assertThat(asSent.isReplayStable(FindingCode.NO_CODES)).isTrue();
    assertThat(asSent.isReplayStable(new FindingCode[] {FindingCode.T_NOT_RUNNING})).isFalse();
    assertThat(asSent.isReplayStable(new FindingCode[] {FindingCode.A_VERSION_SKEW})).isFalse();
    assertThat(asSent.isReplayStable(new FindingCode[] {FindingCode.T_ASSIGNMENT_AT_DRIFT}))
        .isTrue();
  }

  /** The tests that produce the codes that {@code ExperimentEtlJobIT} does not. */
  private static final Map<FindingCode, String> PRODUCED_ELSEWHERE =
      Map.ofEntries(
          Map.entry(FindingCode.T_OUT_OF_RANGE, "HostileValuesIT"),
          Map.entry(FindingCode.S_BAD_CONFIG, "HostileValuesIT"),
          Map.entry(FindingCode.O_EVENT_WITHOUT_OUTBOX, "outbox/OutboxIT"),
          Map.entry(FindingCode.O_OUTBOX_WITHOUT_EVENT, "outbox/OutboxIT"),
          Map.entry(FindingCode.O_PAYLOAD_MISMATCH, "outbox/OutboxIT"),
          Map.entry(FindingCode.O_UNKNOWN_SHAPE, "outbox/OutboxIT"),
          Map.entry(FindingCode.O_STUCK, "outbox/OutboxIT"),
          Map.entry(FindingCode.X_COUNT_MISMATCH, "audit/VerifyCommandIT"),
          Map.entry(FindingCode.X_CHECKSUM_MISMATCH, "audit/VerifyCommandIT"),
          Map.entry(FindingCode.X_AGG_MISMATCH, "audit/VerifyCommandIT"),
          Map.entry(FindingCode.S_NOT_STREAMED, "UnstreamedChangesIT"),
          Map.entry(FindingCode.C_UNSTREAMED, "UnstreamedChangesIT"),
          Map.entry(FindingCode.C_TRUNCATE, "TruncateAndRetentionIT"),
          Map.entry(FindingCode.S_INCOMPLETE_ROW, "cdc/DebeziumDecoderTest"),
          Map.entry(FindingCode.R_ALLOCATION_CHANGED, "JudgementsIT"),
          Map.entry(FindingCode.R_ORPHAN_LOOKUP, "ReplicatedTablesIT"),
          // It stops the job: no server sends changes out of order on request.
          Map.entry(FindingCode.C_LSN_REGRESSION, "cdc/ContinuityTest"));

  @ParameterizedTest
  @EnumSource
  void everyCodeIsProducedByATest(FindingCode code) throws IOException {
    String test = PRODUCED_ELSEWHERE.getOrDefault(code, "ExperimentEtlJobIT");
    String source = Files.readString(Path.of("src/test/java/io/experimentetl", test + ".java"));
    assertThat(source.contains("\"" + code.code()) || source.contains("'" + code.code() + "'"))
        .as(
            "%s does not name %s. CONTRIBUTING.md, Add a finding, says where it belongs.",
            test, code.code())
        .isTrue();
  }
}
