package io.experimentetl.model;

/** What happened to a row. */
public enum ChangeKind {
  /** Read by the snapshot. The stream may send the same row again. */
  READ,
  /**
   * Read again while the job runs, because the warehouse has not got the row as the source has it:
   * the row is delivered also if the job's state knows it unchanged.
   */
  REREAD,
  INSERT,
  UPDATE,
  DELETE,
  /** The first half of an update that changed the row's key: it deletes the old key. */
  KEY_CHANGE,
  /**
   * The user got another id. It is the update of the user's own row, or of an assignment or event
   * that follows it and whose key has changed in nothing else.
   */
  RENAME,
  /**
   * Read from an older warehouse; retention may have deleted it at the source. The source's own
   * row, if there is one, takes precedence.
   */
  RETAINED,
  /**
   * The user is erased although a row of the source stays that says so: the user's own, or a
   * request. As long as it says so, no fact of the user comes to the warehouse.
   */
  ERASE,
  /** Deleted by a retention transaction: the warehouse keeps the row and its statistics. */
  RETENTION_DELETE,
  /**
   * The whole table was truncated: a delete of each row that the source held. The change has no
   * row.
   */
  TRUNCATE,
  /** The same in a retention transaction: the warehouse keeps the rows. */
  RETENTION_TRUNCATE,
  /**
   * The end of a transaction: it has committed, and all its rows came before. It is a change of no
   * row. A transaction that only inserted rows may have none.
   */
  COMMIT;

  /** Whether a row is deleted, or its user counts as deleted. */
  public boolean isDelete() {
    return this == DELETE || this == ERASE;
  }
}
