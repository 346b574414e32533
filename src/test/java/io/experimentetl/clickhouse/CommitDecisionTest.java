package io.experimentetl.clickhouse;

import static io.experimentetl.clickhouse.CommitDecision.afterAnswer;
import static io.experimentetl.clickhouse.CommitDecision.afterProbe;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ClickHouseHttp.Answer;
import io.experimentetl.clickhouse.CommitDecision.Next;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CommitDecisionTest {

  private static final long MINUTES = 60_000;

  @Test
  void neverSentBatchIsInsertedWithoutAProbe() {
    assertThat(CommitDecision.probeFirst(sealed(0, 5), 0, 5, MINUTES, 30 * MINUTES)).isFalse();
    assertThat(CommitDecision.probeFirst(sealed(0, -1), 0, -1, MINUTES, 30 * MINUTES)).isFalse();
  }

  @Test
  void batchOfAnEarlierRunIsProbedFirst() {
    assertThat(CommitDecision.probeFirst(sealed(0, -1), 0, 5, MINUTES, 30 * MINUTES)).isTrue();
    assertThat(CommitDecision.probeFirst(sealed(0, 4), 0, 5, MINUTES, 30 * MINUTES)).isTrue();
  }

  @Test
  void triedOrOldBatchIsProbedFirst() {
    assertThat(CommitDecision.probeFirst(sealed(0, 5), 1, 5, MINUTES, 30 * MINUTES)).isTrue();
    assertThat(CommitDecision.probeFirst(sealed(0, 5), 0, 5, 31 * MINUTES, 30 * MINUTES)).isTrue();
  }

  @Test
  void probeDecidesByTheNumberOfRows() {
    assertThat(afterProbe(0, 10)).isEqualTo(Next.INSERT);
    assertThat(afterProbe(10, 10)).isEqualTo(Next.DONE);
    assertThat(afterProbe(9, 10)).isEqualTo(Next.COMPARE);
    assertThat(afterProbe(11, 10)).isEqualTo(Next.STOP);
    assertThat(CommitDecision.afterComparison(0)).isEqualTo(Next.DONE);
    assertThat(CommitDecision.afterComparison(1)).isEqualTo(Next.STOP);
  }

  @ParameterizedTest
  @CsvSource({
    "200, 0, DONE",
    "200, 241, PROBE", // an error after the headers
    "400, 27, STOP", // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    "404, 60, STOP", // UNKNOWN_TABLE
    "404, 0, PROBE", // a proxy's
    "403, 516, PROBE", // a password that is being changed
    "408, 159, PROBE",
    "429, 202, PROBE",
    "500, 241, PROBE", // out of memory
    "500, 252, PROBE", // too many parts: merges will help
    "500, 469, STOP", // VIOLATED_CONSTRAINT
    "502, 0, PROBE",
    "503, 0, PROBE",
  })
  void answerDecides(int status, int code, Next next) {
    assertThat(afterAnswer(new Answer(status, code, ""))).isEqualTo(next);
  }

  @Test
  void blockOfTwoPartitionsIsNotRetried() {
    assertThat(
            afterAnswer(
                new Answer(500, 252, "Too many partitions for single INSERT block (more than 1)")))
        .isEqualTo(Next.STOP);
  }

  private static SealedBatch sealed(long at, long sealedAfter) {
    return new SealedBatch("t", "i", 0, 1, 1, at, sealedAfter, List.of(), new byte[0], "");
  }
}
