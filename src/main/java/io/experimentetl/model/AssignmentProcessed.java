package io.experimentetl.model;

/**
 * A row of {@code assignments_processed}: the assignment as the source has it, with its references.
 *
 * @param dayEpoch days since 1970-01-01 of {@code assigned_at} in the experiment's zone
 * @param assignedSequence sequence number of the change that brought the assignment; 0: the
 *     snapshot read it
 * @param inconsistencies violations and unresolved references of the row, in the order of {@link
 *     FindingCode}
 */
public record AssignmentProcessed(
    AssignmentRow assignment,
    String experimentKey,
    String experimentName,
    String variantKey,
    String variantName,
    String userProperties,
    int dayEpoch,
    long assignedSequence,
    FindingCode[] inconsistencies,
    RowVersion version) {

  public AssignmentProcessed withVersion(RowVersion other) {
    return new AssignmentProcessed(
        assignment,
        experimentKey,
        experimentName,
        variantKey,
        variantName,
        userProperties,
        dayEpoch,
        assignedSequence,
        inconsistencies,
        other);
  }
}
