package io.experimentetl.attribution;

import java.util.Arrays;

/**
 * One user's facts by experiment, in the order in which they were added. Most users are in few
 * experiments: their ids are searched one after the other, in one place of the heap.
 */
final class UserExperiments {
  private static final int FEW = 16;
  private static final long[] NO_IDS = {};
  private static final ExperimentFacts[] NO_FACTS = {};

  private long[] ids = NO_IDS;
  private ExperimentFacts[] facts = NO_FACTS;
  private int size;

  /** Null: they are few. */
  private LongMap<ExperimentFacts> byId;

  int size() {
    return size;
  }

  /** The facts that were added at this place, from 0 on. */
  ExperimentFacts at(int index) {
    return facts[index];
  }

  /** The facts in the experiment, or null. */
  ExperimentFacts get(long experimentId) {
    if (byId != null) {
      return byId.get(experimentId);
    }
    int index = indexOf(experimentId);
    return index < 0 ? null : facts[index];
  }

  private int indexOf(long experimentId) {
    for (int i = 0; i < size; i++) {
      if (ids[i] == experimentId) {
        return i;
      }
    }
    return -1;
  }

  /** Adds the facts of an experiment that has none. */
  void add(ExperimentFacts added) {
    if (size == ids.length) {
      int capacity = Math.max(2, size + size / 2);
      ids = Arrays.copyOf(ids, capacity);
      facts = Arrays.copyOf(facts, capacity);
    }
    ids[size] = added.experimentId;
    facts[size] = added;
    size++;
    if (byId != null) {
      byId.put(added.experimentId, added);
    } else if (size > FEW) {
      byId = new LongMap<>();
      for (int i = 0; i < size; i++) {
        byId.put(ids[i], facts[i]);
      }
    }
  }

  /** Removes the facts of the experiment, if there are any. */
  void remove(long experimentId) {
    int index = indexOf(experimentId);
    if (index < 0) {
      return;
    }
    size--;
    System.arraycopy(ids, index + 1, ids, index, size - index);
    System.arraycopy(facts, index + 1, facts, index, size - index);
    facts[size] = null;
    if (byId != null) {
      byId.remove(experimentId);
    }
  }
}
