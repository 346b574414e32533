package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourceTable;

/**
 * What a transaction that has not ended has done to a user so far, from its first delete on; a
 * record of keyed state. All later changes of the user await the end too, so that they are applied
 * in their order.
 *
 * @param changes number of the user's changes in {@link UndecidedChanges}; 0: nothing is undecided
 * @param erasedBy index of the change that deleted the user's row, if no later one inserted it
 *     again; -1: none
 * @param deletesUser a change has deleted the user's row
 */
public record UndecidedTransaction(int changes, int erasedBy, boolean deletesUser) {
  static final UndecidedTransaction NONE = new UndecidedTransaction(0, -1, false);

  /** Whether the change can be judged only by its transaction's end. */
  static boolean mustAwaitEnd(Change change) {
    return change.kind() == ChangeKind.DELETE && change.position().lsn() != 0;
  }

  boolean isEmpty() {
    return changes == 0;
  }

  UndecidedTransaction with(Change change) {
    if (change.table() != SourceTable.USERS) {
      return new UndecidedTransaction(changes + 1, erasedBy, deletesUser);
    }
    return change.kind() == ChangeKind.DELETE
        ? new UndecidedTransaction(changes + 1, changes, true)
        : new UndecidedTransaction(changes + 1, -1, deletesUser);
  }

  /** How the user's deletes are meant, if the transaction ends here. */
  Judgement judgement() {
    if (erasedBy >= 0) {
      return Judgement.ERASED;
    }
    return deletesUser ? Judgement.REPLACED : Judgement.KEPT;
  }
}
