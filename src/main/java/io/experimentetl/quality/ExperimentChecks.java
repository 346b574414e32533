package io.experimentetl.quality;

import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.Set;

/** The checks of one experiment. */
public final class ExperimentChecks {
  private static final Set<String> STATUSES =
      Set.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private static final int ALL_USERS_PCT = 100;

  private ExperimentChecks() {}

  /** Whether the status is known. A platform may have added a value in a migration of its own. */
  public static boolean hasKnownStatus(ExperimentRow experiment) {
    return STATUSES.contains(experiment.status());
  }

  /**
   * The problems of the experiment's variants. A DRAFT may be incomplete.
   *
   * @param controls the number of variants with {@code is_control}
   * @param allocationPct the sum of the variants' allocations
   */
  public static EnumSet<FindingCode> designViolations(
      String status, int controls, int allocationPct) {
    EnumSet<FindingCode> violations = EnumSet.noneOf(FindingCode.class);
    if (status.equals("DRAFT")) {
      return violations;
    }
    if (controls == 0) {
      violations.add(FindingCode.R_NO_CONTROL);
    }
    if (controls > 1) {
      violations.add(FindingCode.R_MULTI_CONTROL);
    }
    if (allocationPct != ALL_USERS_PCT) {
      violations.add(FindingCode.R_ALLOCATION_SUM);
    }
    return violations;
  }
}
