package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.R_ALLOCATION_SUM;
import static io.experimentetl.model.FindingCode.R_MULTI_CONTROL;
import static io.experimentetl.model.FindingCode.R_NO_CONTROL;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExperimentChecksTest {
  @Test
  void oneControlAndAFullAllocationIsValid() {
    assertThat(ExperimentChecks.designViolations("ACTIVE", 1, 100)).isEmpty();
  }

  @Test
  void designNeedsExactlyOneControl() {
    assertThat(ExperimentChecks.designViolations("ACTIVE", 0, 100)).containsExactly(R_NO_CONTROL);
    assertThat(ExperimentChecks.designViolations("ACTIVE", 2, 100))
        .containsExactly(R_MULTI_CONTROL);
  }

  @Test
  void allocationsAddUpTo100() {
    assertThat(ExperimentChecks.designViolations("PAUSED", 1, 99))
        .containsExactly(R_ALLOCATION_SUM);
    assertThat(ExperimentChecks.designViolations("PAUSED", 1, 101))
        .containsExactly(R_ALLOCATION_SUM);
  }

  @Test
  void draftMayBeIncomplete() {
    assertThat(ExperimentChecks.designViolations("DRAFT", 0, 0)).isEmpty();
  }
}
