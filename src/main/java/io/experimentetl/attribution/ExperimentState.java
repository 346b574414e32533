package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;

/**
 * One user's facts in one experiment; a record of keyed state.
 *
 * @param assignments all delivered assignments, in the order of their arrival
 * @param assignedSequences per assignment, the sequence number of the change that brought it; 0:
 *     the snapshot
 * @param events all delivered events
 * @param pendingAssignments assignments with an unresolved reference
 * @param pendingEvents events with an unresolved reference
 * @param spilledEvents number of further flagged events, which {@link SpilledEvents} holds
 * @param markedAssignments ids of the assignments that have a mark
 * @param assignmentMarks their {@link FactMark}s, in the same order
 */
public record ExperimentState(
    long experimentId,
    AssignmentRow[] assignments,
    long[] assignedSequences,
    EventColumns events,
    PendingAssignment[] pendingAssignments,
    PendingEvent[] pendingEvents,
    int spilledEvents,
    long[] markedAssignments,
    byte[] assignmentMarks) {}
