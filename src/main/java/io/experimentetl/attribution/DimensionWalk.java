package io.experimentetl.attribution;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Counts the users of edited experiments again, a slice at a time. A user is brought up to date
 * before the next fact, wherever the walk is; until the walk ends, the visible position stays
 * before the edit. After a restart it begins again at the key groups that remained.
 */
final class DimensionWalk {
  /** One edit; its users are read a key group at a time. */
  private static final class Walked {
    private final long experimentId;
    private final Origin origin;
    private final boolean resolvesReferences;
    private final long formerVersion;
    private final Deque<Integer> keyGroups;
    private final Deque<String> users = new ArrayDeque<>();

    private Walked(
        long experimentId,
        Origin origin,
        boolean resolvesReferences,
        long formerVersion,
        Iterable<Integer> keyGroups) {
      this.experimentId = experimentId;
      this.origin = origin;
      this.resolvesReferences = resolvesReferences;
      this.formerVersion = formerVersion;
      this.keyGroups = new ArrayDeque<>();
      keyGroups.forEach(this.keyGroups::add);
    }
  }

  private final UserIndexState index;
  private final Dimensions dimensions;
  private final PendingLowWatermark lowWatermark;
  private final UserBatches batches;
  private final Visit visit;
  private final Deque<Walked> edits = new ArrayDeque<>();

  /** Counts one user again. */
  interface Visit {
    void apply(String key, UserFacts user, Edit edit) throws Exception;
  }

  DimensionWalk(
      UserIndexState index,
      Dimensions dimensions,
      PendingLowWatermark lowWatermark,
      UserBatches batches,
      Visit visit) {
    this.index = index;
    this.dimensions = dimensions;
    this.lowWatermark = lowWatermark;
    this.batches = batches;
    this.visit = visit;
  }

  /** Whether users of the experiment remain to be counted again. */
  boolean isOn(long experimentId) {
    for (Walked edit : edits) {
      if (edit.experimentId == experimentId) {
        return true;
      }
    }
    return false;
  }

  /** Number of edits whose users are not all counted again. */
  int size() {
    return edits.size();
  }

  /**
   * Begins with the users of an experiment, after a {@link UserStore#flush}.
   *
   * @param former what belonged to the experiment before the edit
   * @param resolvesReferences the edit brought a row that facts had referred to
   */
  void begin(long experimentId, Origin origin, Dimensions former, boolean resolvesReferences) {
    begin(
        new Walked(
            experimentId,
            origin,
            resolvesReferences,
            former.versionOf(experimentId),
            index.keyGroups()),
        former);
  }

  private void begin(Walked edit, Dimensions former) {
    dimensions.remember(edit.experimentId, former);
    lowWatermark.add(edit.origin);
    edits.add(edit);
  }

  /** Goes on for about as many nanoseconds, but with one batch of users at least. */
  void step(long nanos) throws Exception {
    long until = System.nanoTime() + nanos;
    while (!edits.isEmpty()) {
      Walked edit = edits.peek();
      List<String> batch = next(edit);
      if (batch.isEmpty()) {
        edits.remove();
        lowWatermark.remove(edit.origin);
        dimensions.forget(edit.experimentId, edit.formerVersion);
        continue;
      }
      Edit seen =
          new Edit(
              edit.experimentId,
              edit.origin,
              dimensions
                  .former(edit.experimentId, edit.formerVersion)
                  .experiment(edit.experimentId));
      batches.visit(
          List.of(batch),
          summary -> summary.experimentId() == edit.experimentId,
          (key, user) -> visit.apply(key, user, seen));
      if (System.nanoTime() >= until) {
        return;
      }
    }
  }

  /** The next users; empty: there are no more. */
  private List<String> next(Walked edit) throws Exception {
    List<String> batch = new ArrayList<>();
    int characters = 0;
    while (!UserStore.isFull(batch.size(), characters)) {
      if (edit.users.isEmpty()) {
        if (edit.keyGroups.isEmpty()) {
          return batch;
        }
        readGroup(edit);
      } else {
        String key = edit.users.remove();
        batch.add(key);
        characters += key.length();
      }
    }
    return batch;
  }

  private void readGroup(Walked edit) throws Exception {
    int group = edit.keyGroups.remove();
    Set<String> users = new LinkedHashSet<>(index.in(group, edit.experimentId));
    if (edit.resolvesReferences) {
      users.addAll(index.in(group, UserIndexState.PENDING));
    }
    edit.users.addAll(users);
  }

  /** The edits to go on with after a restart. */
  UnfinishedEdit[] toState() {
    return edits.stream().map(this::toState).toArray(UnfinishedEdit[]::new);
  }

  private UnfinishedEdit toState(Walked edit) {
    Dimensions former = dimensions.former(edit.experimentId, edit.formerVersion);
    Set<Integer> remaining = new TreeSet<>(edit.keyGroups);
    if (!edit.users.isEmpty()) {
      remaining.add(index.groupOf(edit.users.peek()));
    }
    return new UnfinishedEdit(
        edit.experimentId,
        edit.origin,
        edit.resolvesReferences,
        edit.formerVersion,
        former.experiment(edit.experimentId),
        former.variants().toArray(VariantDimension[]::new),
        former.allocationOf(edit.experimentId),
        remaining.stream().mapToInt(Integer::intValue).toArray());
  }

  /** Goes on with the edits of all subtasks, in this subtask's key groups. */
  void restore(List<UnfinishedEdit> all) {
    Map<Long, Map<Long, UnfinishedEdit>> first = new TreeMap<>();
    Map<Long, Map<Long, Set<Integer>>> remaining = new TreeMap<>();
    for (UnfinishedEdit edit : all) {
      long sequence = edit.origin().sequenceNumber();
      first
          .computeIfAbsent(sequence, none -> new TreeMap<>())
          .merge(edit.experimentId(), edit, (a, b) -> a.resolvesReferences() ? a : b);
      Set<Integer> groups =
          remaining
              .computeIfAbsent(sequence, none -> new TreeMap<>())
              .computeIfAbsent(edit.experimentId(), none -> new TreeSet<>());
      for (int group : edit.keyGroups()) {
        groups.add(group);
      }
    }
    Set<Integer> own = Set.copyOf(index.keyGroups());
    first.forEach(
        (sequence, edits) ->
            edits.forEach(
                (experimentId, edit) -> {
                  Set<Integer> groups = remaining.get(sequence).get(experimentId);
                  groups.retainAll(own);
                  if (!groups.isEmpty()) {
                    begin(edit, groups);
                  }
                }));
  }

  private void begin(UnfinishedEdit edit, Set<Integer> groups) {
    Dimensions former = dimensions.empty();
    if (edit.former() != null) {
      former.put(edit.former());
    }
    for (VariantDimension variant : edit.formerVariants()) {
      former.put(variant);
    }
    former.putAllocation(edit.experimentId(), edit.formerAllocation());
    former.putVersion(edit.experimentId(), edit.formerVersion());
    begin(
        new Walked(
            edit.experimentId(),
            edit.origin(),
            edit.resolvesReferences(),
            edit.formerVersion(),
            groups),
        former);
  }
}
