package io.experimentetl.cdc;

/** What can change in the catalogue without a change in the stream. */
enum SuspicionKind {
  /** The table was out of the publication, or the publication left out a part of its changes. */
  PUBLICATION,
  /** The table or partition has another file: TRUNCATE, rewriting DDL, VACUUM FULL, pg_repack. */
  FILE,
  /** A partition came: it may have had rows before. */
  ATTACHED,
  /** A partition went: its rows went with it. */
  DETACHED,
  /** Partition maintenance attached or detached a partition, and says so: nothing is lost. */
  ANNOUNCED,
  /** A column has come: with a default, all rows have changed. */
  COLUMN,
  /** A label of an enum was renamed or removed: rows that have it have changed. */
  LABEL,
  /** Row security hid rows from the job until now. */
  HIDDEN,
  /** Changes came without the values that say which facts they concern. */
  PARTLY_SENT,
  /** Someone requested that the table, or the partition, is read again. */
  REQUESTED
}
