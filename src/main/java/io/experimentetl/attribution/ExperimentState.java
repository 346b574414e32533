package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;

/**
 * One user's facts in one experiment; a record of keyed state. Many events and figures are entries
 * of their own: see {@link FactEntries}.
 *
 * @param assignments all delivered assignments, in the order of their arrival
 * @param assignedSequences per assignment, the sequence number of the change that brought it; 0:
 *     the snapshot
 * @param events number of delivered events
 * @param fewEvents the events while they are few, as {@link EntriesSerializer} writes them
 * @param fewFigures the figures that were sent, while they are few
 * @param firstExposure see {@link Exposures#first}
 * @param exposedVariants see {@link Exposures#variants}
 * @param exposures see {@link Exposures#counts}
 * @param countedBy the version of the dimensions by which the facts were counted: see {@link
 *     Dimensions#versionOf}
 * @param crossover the finding about a crossover is open
 * @param enrolledElsewhere the finding about the enrolment is open
 * @param manyFigures figures were sent, and are entries of their own
 * @param daysCounted the figures hold the number of events by day
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
    int events,
    byte[] fewEvents,
    byte[] fewFigures,
    long firstExposure,
    long[] exposedVariants,
    int[] exposures,
    long countedBy,
    boolean crossover,
    boolean enrolledElsewhere,
    boolean manyFigures,
    boolean daysCounted,
    PendingAssignment[] pendingAssignments,
    PendingEvent[] pendingEvents,
    int spilledEvents,
    long[] markedAssignments,
    byte[] assignmentMarks) {}
