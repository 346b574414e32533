package io.experimentetl.model;

/** What happened to a row. */
public enum ChangeKind {
  /** Read by the snapshot; the stream may bring the same row again. */
  READ,
  INSERT,
  UPDATE,
  DELETE,
  /** The first half of an update that changed the row's key: the row is gone from its old key. */
  KEY_CHANGE,
  /**
   * Kept by an older warehouse, and perhaps deleted by retention at the source: what the source
   * says of the row goes first.
   */
  RETAINED
}
