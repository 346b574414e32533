package io.experimentetl.quality;

import io.experimentetl.model.AssignmentRow;

/**
 * What is known around an event when it is checked.
 *
 * @param experimentKnown whether its experiment exists
 * @param running whether its time lies within the experiment's dates
 * @param active whether the experiment was active at its time, or nobody knows
 * @param userKnown whether its user exists
 * @param variantExperimentId the experiment of the delivered variant; null: none delivered, or not
 *     known
 * @param assignment the user's assignment in the experiment, or null
 * @param firstExposure of the user, microseconds since 1970 in UTC; {@link Long#MAX_VALUE}: none
 * @param dayEndsAt end of the event's day, milliseconds since 1970 in UTC, exclusive
 */
public record EventReferences(
    boolean experimentKnown,
    boolean running,
    boolean active,
    boolean userKnown,
    Long variantExperimentId,
    AssignmentRow assignment,
    long firstExposure,
    long dayEndsAt) {}
