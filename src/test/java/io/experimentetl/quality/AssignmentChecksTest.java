package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.A_VERSION_SKEW;
import static io.experimentetl.model.FindingCode.T_ENROLLED_BEFORE_ASSIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.FindingCode;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AssignmentChecksTest {
  private static final long HOUR = 3_600_000_000L;
  private static final int NOT_KNOWN = 0;

  private static AssignmentRow assignment(int version, Long enrolledAt) {
    return new AssignmentRow(7, 1, "u1", 11, version, "hash", null, HOUR, enrolledAt, 0, 0);
  }

  private static Set<FindingCode> violations(AssignmentRow assignment, int experimentVersion) {
    return AssignmentChecks.violations(assignment, 1L, experimentVersion, 0, Long.MAX_VALUE);
  }

  @Test
  void assignmentWithANewerVersionThanItsExperimentIsSkewed() {
    assertThat(violations(assignment(3, null), 2)).containsExactly(A_VERSION_SKEW);
    assertThat(violations(assignment(2, null), 2)).isEmpty();
    assertThat(violations(assignment(1, null), 2)).isEmpty();
    assertThat(violations(assignment(3, null), NOT_KNOWN)).isEmpty();
  }

  @Test
  void enrolmentBeforeAssignmentIsReported() {
    assertThat(violations(assignment(1, HOUR - 1), 1)).containsExactly(T_ENROLLED_BEFORE_ASSIGNED);
    assertThat(violations(assignment(1, HOUR), 1)).isEmpty();
  }

  @Test
  void enrolmentGapNeedsBothTimes() {
    assertThat(AssignmentChecks.enrolmentGap(assignment(1, HOUR), 2 * HOUR + 1))
        .isEqualTo(HOUR + 1);
    assertThat(AssignmentChecks.enrolmentGap(assignment(1, 2 * HOUR + 1), HOUR))
        .isEqualTo(HOUR + 1);
    assertThat(AssignmentChecks.enrolmentGap(assignment(1, null), HOUR)).isZero();
    assertThat(AssignmentChecks.enrolmentGap(assignment(1, 0L), Long.MAX_VALUE)).isZero();
    assertThat(AssignmentChecks.enrolmentGap(null, HOUR)).isZero();
  }
}
