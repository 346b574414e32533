package io.experimentetl.cdc;

import io.experimentetl.cdc.MappedColumn.MappedFilter.Match;
import io.experimentetl.model.ChangeKind;

/** What a change is for those who read only some rows of its table. */
final class FilteredChange {
  private FilteredChange() {}

  /**
   * The kind of the change among the rows that are read; null: it is none of them. An update by
   * which a row stops to be read is its delete, and one by which it begins to be read its insert.
   * Where PostgreSQL did not send what decides, a row may have been read: a delete too many finds
   * nothing.
   *
   * @param before whether the old row is read; null: it was not sent
   * @param after whether the new row is read; null: there is none
   */
  static ChangeKind kind(ChangeKind kind, Match before, Match after) {
    boolean wasRead = before != Match.NO;
    if (after == null) {
      return wasRead ? kind : null;
    }
    boolean isRead = after != Match.NO;
    if (kind != ChangeKind.UPDATE) {
      return isRead ? kind : null;
    }
    if (isRead) {
      return wasRead ? kind : ChangeKind.INSERT;
    }
    return wasRead ? ChangeKind.DELETE : null;
  }
}
