package io.experimentetl.attribution;

import io.experimentetl.model.UserRow;

/**
 * All that is kept of one user; a record of keyed state.
 *
 * @param user null: not known
 * @param erasedTxId the transaction that erased the user, as long as its other deletes may follow;
 *     0: none
 * @param erasedUntil processing time until which that is remembered, milliseconds since 1970
 * @param evicted what is left of the experiments whose facts have settled; may be null
 */
public record UserState(
    UserRow user,
    long erasedTxId,
    long erasedUntil,
    ExperimentState[] experiments,
    UndecidedDelete[] undecidedDeletes,
    EvictionSummary[] evicted) {}
