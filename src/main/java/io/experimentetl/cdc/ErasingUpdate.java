package io.experimentetl.cdc;

import io.experimentetl.model.ChangeKind;
import java.util.List;

/** What an update is where a row of the table may erase its user and stay. */
final class ErasingUpdate {
  private ErasingUpdate() {}

  /**
   * The changes that the update is, in their order: a DELETE of the old row, an ERASE of the new
   * row's user, or an INSERT of the new row. Null: it is an update of a row that erases nobody.
   *
   * @param erasedBefore whether the old row erased its user; false where it was not sent
   * @param erases whether the new row does
   * @param changesUser whether the row names another user now
   */
  static List<ChangeKind> changes(boolean erasedBefore, boolean erases, boolean changesUser) {
    if (!erases) {
      if (!erasedBefore) {
        return null;
      }
      return changesUser
          ? List.of(ChangeKind.DELETE, ChangeKind.INSERT)
          : List.of(ChangeKind.INSERT);
    }
    if (changesUser) {
      return List.of(ChangeKind.DELETE, ChangeKind.ERASE);
    }
    return erasedBefore ? List.of() : List.of(ChangeKind.ERASE);
  }
}
