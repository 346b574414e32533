package io.experimentetl.attribution;

import io.experimentetl.model.UserRow;

/**
 * Everything that the job keeps of one user; a record of keyed state.
 *
 * @param user null: the user's row is not known
 * @param userMark the {@link FactMark} of the user's row
 * @param experiments the user's facts by experiment
 * @param undecided what a transaction that has not ended has done to the user
 * @param evicted summaries of the experiments whose facts were evicted
 * @param renamed null: the user has the id that the key was made for, and had no other
 */
public record UserState(
    UserRow user,
    byte userMark,
    ExperimentState[] experiments,
    UndecidedTransaction undecided,
    EvictionSummary[] evicted,
    RenamedState renamed) {}
