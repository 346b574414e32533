package io.experimentetl.attribution;

import io.experimentetl.model.UserRow;
import java.util.Arrays;
import java.util.Objects;

/**
 * What the job keeps of one user beside the facts by experiment; a record of keyed state.
 *
 * @param user null: the user's row is not known
 * @param userMark the {@link FactMark} of the user's row
 * @param erasedAt sequence number of the ERASE since which no fact of the user counts; 0: none
 * @param experiments number of experiments in which the user has facts
 * @param pendingExperiments ids of those in which facts have an unresolved reference
 * @param undecided what a transaction that has not ended has done to the user
 * @param evicted summaries of the experiments whose facts were evicted
 * @param renamed null: the user has the id that the key was made for, and had no other
 */
public record UserState(
    UserRow user,
    byte userMark,
    long erasedAt,
    int experiments,
    long[] pendingExperiments,
    UndecidedTransaction undecided,
    EvictionSummary[] evicted,
    RenamedState renamed) {
  /** Whether both are known to hold the same; a renamed user is not compared. */
  boolean isSameAs(UserState other) {
    return other != null
        && Objects.equals(user, other.user)
        && userMark == other.userMark
        && erasedAt == other.erasedAt
        && experiments == other.experiments
        && Arrays.equals(pendingExperiments, other.pendingExperiments)
        && undecided.equals(other.undecided)
        && Arrays.equals(evicted, other.evicted)
        && renamed == null
        && other.renamed == null;
  }
}
