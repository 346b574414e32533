package io.experimentetl.model;

/** What happened to a row. */
public enum ChangeKind {
  /** Read by the snapshot. The stream may send the same row again. */
  READ,
  INSERT,
  UPDATE,
  DELETE,
  /** The first half of an update that changed the row's key: it deletes the old key. */
  KEY_CHANGE,
  /**
   * Read from an older warehouse; retention may have deleted it at the source. The source's own
   * row, if there is one, takes precedence.
   */
  RETAINED
}
