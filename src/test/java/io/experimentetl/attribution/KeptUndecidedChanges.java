package io.experimentetl.attribution;

import java.util.Map;

/** Undecided changes of one user, in a map. */
record KeptUndecidedChanges(Map<Integer, UndecidedChange> changes) implements UndecidedChanges {
  @Override
  public void put(UserFacts user, int index, UndecidedChange change) {
    changes.put(index, change);
  }

  @Override
  public UndecidedChange get(UserFacts user, int index) {
    return changes.get(index);
  }

  @Override
  public UndecidedChange take(UserFacts user, int index) {
    return changes.remove(index);
  }
}
