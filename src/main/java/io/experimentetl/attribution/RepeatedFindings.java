package io.experimentetl.attribution;

import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;

/**
 * Drops repetitions between two checkpoints: a finding about more than one row is found again on
 * every such row.
 */
final class RepeatedFindings {
  private static final Set<FindingCode> OF_MANY_ROWS =
      EnumSet.of(
          FindingCode.T_LATE,
          FindingCode.S_UNKNOWN_EVENT_TYPE,
          FindingCode.R_ORPHAN_EXPERIMENT,
          FindingCode.R_ORPHAN_VARIANT,
          FindingCode.C_DELETE_RETENTION);

  private record Report(FindingCode code, String subject, boolean open) {}

  private final Set<Report> reports = new HashSet<>();

  /** Whether the finding is not reported yet since the last {@link #clear}. */
  boolean isNew(Finding finding) {
    if (OF_MANY_ROWS.contains(finding.code())
        && !reports.add(new Report(finding.code(), finding.subject(), finding.open()))) {
      return false;
    }
    reports.remove(new Report(finding.code(), finding.subject(), !finding.open()));
    return true;
  }

  void clear() {
    reports.clear();
  }
}
