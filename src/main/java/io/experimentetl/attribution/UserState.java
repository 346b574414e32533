package io.experimentetl.attribution;

import io.experimentetl.model.UserRow;

/**
 * Everything that the job keeps of one user; a record of keyed state.
 *
 * @param user null: the user's row is not known
 * @param erasedTxId the transaction that erased the user, while more of its deletes may follow; 0:
 *     none
 * @param erasedUntil processing time until which {@code erasedTxId} is kept, milliseconds since
 *     1970
 * @param experiments the user's facts by experiment
 * @param undecidedDeletes deletes that an erasure may still explain
 * @param evicted summaries of the experiments whose facts were evicted
 * @param renamed null: the user has the id that the key was made for, and had no other
 */
public record UserState(
    UserRow user,
    long erasedTxId,
    long erasedUntil,
    ExperimentState[] experiments,
    UndecidedDelete[] undecidedDeletes,
    EvictionSummary[] evicted,
    RenamedState renamed) {}
