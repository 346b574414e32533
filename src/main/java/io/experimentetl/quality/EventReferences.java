package io.experimentetl.quality;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;

/**
 * The rows that an event refers to, as far as they are known when the event is checked.
 *
 * @param experimentKnown whether its experiment exists
 * @param running whether its time is inside the experiment's dates
 * @param active whether the experiment was ACTIVE at that time, or its status then is unknown
 * @param userKnown whether its user exists
 * @param variantExperimentId the experiment of the delivered variant; null: the event names none,
 *     or it is unknown
 * @param assignment the user's assignment in the experiment, or null
 * @param firstExposure of the user, microseconds since 1970 in UTC; {@link Long#MAX_VALUE}: none
 * @param dayEndsAt end of the event's day, milliseconds since 1970 in UTC, exclusive
 * @param shared the event names no experiment: see {@link EventRow#SHARED}
 */
public record EventReferences(
    boolean experimentKnown,
    boolean running,
    boolean active,
    boolean userKnown,
    Long variantExperimentId,
    AssignmentRow assignment,
    long firstExposure,
    long dayEndsAt,
    boolean shared) {

  /** What an event refers to that names no experiment: its user alone. */
  public static EventReferences shared(boolean userKnown) {
    return new EventReferences(
        false, false, false, userKnown, null, null, Long.MAX_VALUE, Long.MAX_VALUE, true);
  }
}
