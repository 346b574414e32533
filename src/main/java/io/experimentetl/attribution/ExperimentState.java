package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import java.util.Arrays;

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
    byte[] assignmentMarks) {
  /**
   * Whether an {@link ExperimentChange} can lead to this state, beside changes of events and
   * figures. Rows are compared as objects: one that was replaced by an equal one is written again.
   *
   * @param before null: there was none
   */
  boolean isChangeOf(ExperimentState before) {
    return before != null
        && areSame(assignments, before.assignments)
        && Arrays.equals(assignedSequences, before.assignedSequences)
        && manyFigures == before.manyFigures
        && areSame(pendingAssignments, before.pendingAssignments)
        && areSame(pendingEvents, before.pendingEvents)
        && spilledEvents == before.spilledEvents
        && Arrays.equals(markedAssignments, before.markedAssignments)
        && Arrays.equals(assignmentMarks, before.assignmentMarks);
  }

  /** Whether nothing has changed, beside events and figures; call {@link #isChangeOf} first. */
  boolean isSameAs(ExperimentState before) {
    return events == before.events
        && firstExposure == before.firstExposure
        && Arrays.equals(exposedVariants, before.exposedVariants)
        && Arrays.equals(exposures, before.exposures)
        && countedBy == before.countedBy
        && crossover == before.crossover
        && enrolledElsewhere == before.enrolledElsewhere
        && daysCounted == before.daysCounted;
  }

  @SuppressWarnings("ReferenceEquality")
  private static boolean areSame(Object[] rows, Object[] before) {
    if (rows.length != before.length) {
      return false;
    }
    for (int i = 0; i < rows.length; i++) {
      if (rows[i] != before[i]) {
        return false;
      }
    }
    return true;
  }
}
