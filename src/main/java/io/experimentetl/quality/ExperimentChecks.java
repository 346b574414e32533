package io.experimentetl.quality;

import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.Set;

/** The checks of one experiment. */
public final class ExperimentChecks {
  private static final Set<String> STATUSES =
      Set.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private static final double ALL_USERS_PCT = 100;

  /** Percentages with decimals add up to 100 only nearly. */
  private static final double ROUNDING = 1e-6;

  private ExperimentChecks() {}

  /** Whether the status is known. A platform may have added a value in a migration of its own. */
  public static boolean hasKnownStatus(ExperimentRow experiment) {
    return STATUSES.contains(experiment.status());
  }

  /**
   * The problems of the experiment's variants. A DRAFT may be incomplete.
   *
   * @param controls the number of variants with {@code is_control}
   * @param allocationPct the sum of the variants' allocations; where they are no percentages, 100
   */
  public static EnumSet<FindingCode> designViolations(
      String status, int controls, double allocationPct) {
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
    if (Math.abs(allocationPct - ALL_USERS_PCT) > ROUNDING) {
      violations.add(FindingCode.R_ALLOCATION_SUM);
    }
    return violations;
  }
}
