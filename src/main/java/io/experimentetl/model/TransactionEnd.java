package io.experimentetl.model;

/**
 * The end of a transaction on its way to the users that it concerns: the {@link Change#after} of a
 * {@link ChangeKind#COMMIT} behind the routing by user. It takes the way of the transaction's rows,
 * so that it arrives behind them.
 *
 * @param userKey of the user; with {@code ofAllUsers} only a key that leads to a subtask
 * @param ofAllUsers it concerns every user of the subtask at which it arrives
 */
public record TransactionEnd(String userKey, boolean ofAllUsers) implements SourceRow {}
