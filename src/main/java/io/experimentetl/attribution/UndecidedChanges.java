package io.experimentetl.attribution;

/**
 * The changes that await their transaction's end, each a state entry of its own, which is on disk
 * if the state backend is. A user's changes are numbered from 0.
 */
interface UndecidedChanges {
  void put(UserFacts user, int index, UndecidedChange change);

  /** A change that is there. */
  UndecidedChange get(UserFacts user, int index);

  /** Takes out a change that is there. */
  UndecidedChange take(UserFacts user, int index);
}
