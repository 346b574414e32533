package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.A_OVERRIDE;
import static io.experimentetl.model.FindingCode.A_VERSION_SKEW;
import static io.experimentetl.model.FindingCode.R_ORPHAN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.R_ORPHAN_VARIANT;
import static io.experimentetl.model.FindingCode.R_VARIANT_NOT_IN_EXPERIMENT;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_ENUM;
import static io.experimentetl.model.FindingCode.T_ENROLLED_BEFORE_ASSIGNED;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_OUT_OF_RANGE;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.warehouse.WarehouseRange;
import java.util.EnumSet;
import java.util.Set;

/** The checks of one assignment. */
public final class AssignmentChecks {
  private static final Set<String> SOURCES = Set.of("hash", "override", "forced", "api");

  private AssignmentChecks() {}

  /**
   * The references that are missing now and may still arrive.
   *
   * @param variantExperimentId the experiment of the variant; null: the variant is unknown
   */
  public static EnumSet<FindingCode> unresolved(
      boolean userKnown, boolean experimentKnown, Long variantExperimentId) {
    EnumSet<FindingCode> unresolved = EnumSet.noneOf(FindingCode.class);
    if (!userKnown) {
      unresolved.add(R_ORPHAN_USER);
    }
    if (!experimentKnown) {
      unresolved.add(R_ORPHAN_EXPERIMENT);
    }
    if (variantExperimentId == null) {
      unresolved.add(R_ORPHAN_VARIANT);
    }
    return unresolved;
  }

  /**
   * The problems that no later row resolves.
   *
   * @param variantExperimentId the experiment of the variant; null: the variant is unknown
   * @param experimentVersion the version of its experiment; 0: unknown
   * @param clockTolerance allowed difference of the clocks of two services, microseconds
   * @param latest times after it are in the future, microseconds since 1970 in UTC
   */
  public static EnumSet<FindingCode> violations(
      AssignmentRow assignment,
      Long variantExperimentId,
      int experimentVersion,
      long clockTolerance,
      long latest) {
    EnumSet<FindingCode> violations = EnumSet.noneOf(FindingCode.class);
    if (variantExperimentId != null && variantExperimentId != assignment.experimentId()) {
      violations.add(R_VARIANT_NOT_IN_EXPERIMENT);
    }
    if (!SOURCES.contains(assignment.source())) {
      violations.add(S_UNKNOWN_ENUM);
    } else if (assignment.source().equals("override") || assignment.source().equals("forced")) {
      violations.add(A_OVERRIDE);
    }
    if (experimentVersion > 0 && assignment.version() > experimentVersion) {
      violations.add(A_VERSION_SKEW);
    }
    if (assignment.enrolledAt() != null
        && assignment.enrolledAt() < assignment.assignedAt() - clockTolerance) {
      violations.add(T_ENROLLED_BEFORE_ASSIGNED);
    }
    if (assignment.assignedAt() > latest) {
      violations.add(T_FUTURE);
    }
    if (isOutOfRange(assignment)) {
      violations.add(T_OUT_OF_RANGE);
    }
    return violations;
  }

  /** Whether a time is an end of the range that ClickHouse can hold. */
  private static boolean isOutOfRange(AssignmentRow assignment) {
    return WarehouseRange.isEnd(assignment.assignedAt())
        || WarehouseRange.isEnd(assignment.enrolledAt())
        || WarehouseRange.isEnd(assignment.createdAt())
        || WarehouseRange.isEnd(assignment.updatedAt());
  }

  /**
   * The time between enrolment and first exposure, microseconds; 0 where one of them is absent.
   *
   * @param assignment null: none
   * @param firstExposure microseconds since 1970 in UTC; {@link Long#MAX_VALUE}: none
   */
  public static long enrolmentGap(AssignmentRow assignment, long firstExposure) {
    return assignment == null || assignment.enrolledAt() == null || firstExposure == Long.MAX_VALUE
        ? 0
        : Math.abs(assignment.enrolledAt() - firstExposure);
  }
}
