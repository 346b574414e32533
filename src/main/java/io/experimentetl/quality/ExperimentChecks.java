package io.experimentetl.quality;

import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.Set;

/** What can be wrong with an experiment. */
public final class ExperimentChecks {
  private static final Set<String> STATUSES =
      Set.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private static final int ALL_USERS_PCT = 100;

  private ExperimentChecks() {}

  /** Whether the product knows the status: platforms add values in one migration and not in all. */
  public static boolean hasKnownStatus(ExperimentRow experiment) {
    return STATUSES.contains(experiment.status());
  }

  /**
   * What is wrong with the experiment's variants. A DRAFT may be half done.
   *
   * @param controls how many variants are the control
   * @param allocationPct the sum of the variants'
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
