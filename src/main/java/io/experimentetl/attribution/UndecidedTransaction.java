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
 * @param changesKeys a change is the first half of an update of a key: it may be one of the deletes
 *     before, sent again
 */
public record UndecidedTransaction(
    int changes, int erasedBy, boolean deletesUser, boolean changesKeys) {
  static final UndecidedTransaction NONE = new UndecidedTransaction(0, -1, false, false);

  boolean isEmpty() {
    return changes == 0;
  }

  UndecidedTransaction with(Change change) {
    if (change.table() != SourceTable.USERS) {
      return new UndecidedTransaction(
          changes + 1,
          erasedBy,
          deletesUser,
          changesKeys || change.kind() == ChangeKind.KEY_CHANGE);
    }
    return change.kind().isDelete()
        ? new UndecidedTransaction(changes + 1, changes, true, changesKeys)
        : new UndecidedTransaction(changes + 1, -1, deletesUser, changesKeys);
  }

  /** How the user's deletes are meant, if the transaction ends here. */
  Judgement judgement() {
    if (erasedBy >= 0) {
      return Judgement.ERASED;
    }
    return deletesUser ? Judgement.REPLACED : Judgement.KEPT;
  }
}
