package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;

/**
 * What is kept of one user in one experiment; a record of keyed state. The events that were written
 * stand in parallel arrays, one place an event: primitive arrays are read and written at memory
 * speed, and the whole history is touched with every fact.
 *
 * @param assignment the assignment that counts, as written, or null
 * @param pendingAssignment an assignment that lacks a reference, or null
 * @param variantId the delivered variant; 0: none
 * @param content hash of the row's content: see {@link EventContent}
 * @param type index into {@code eventTypes}
 * @param values for every event one value for every entry of {@code properties}, in millionths
 * @param pending events that lack a reference
 * @param spilled how many more of them, written flagged, are kept beside the user's state
 * @param assignments all assignments as written, in the order in which they came; empty or null
 *     where there are no others than {@code assignment}
 * @param morePendingAssignments those that lack a reference beside {@code pendingAssignment}; may
 *     be null
 */
public record ExperimentState(
    long experimentId,
    AssignmentRow assignment,
    PendingAssignment pendingAssignment,
    long[] idHigh,
    long[] idLow,
    long[] occurredAt,
    long[] variantId,
    long[] content,
    int[] type,
    long[] values,
    String[] eventTypes,
    String[] properties,
    PendingEvent[] pending,
    int spilled,
    AssignmentRow[] assignments,
    PendingAssignment[] morePendingAssignments) {}
