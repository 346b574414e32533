package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import io.experimentetl.model.UserKey;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One user's facts, on the heap: the working form of {@link UserState}. */
final class UserFacts {
  private static final long[] NO_EXPERIMENTS = {};

  /** The key of the user's state: the user's first id, or one made for an id used again. */
  final String key;

  /** The user's id now. */
  String userId;

  /** Null: the user's row is not known. */
  UserRow user;

  /** The {@link FactMark} of the user's row. */
  byte userMark;

  /** Sequence number of the ERASE since which no fact of the user counts; 0: none. */
  long erasedAt;

  /** What a transaction that has not ended has done to the user. */
  UndecidedTransaction undecided = UndecidedTransaction.NONE;

  private final UserStorage storage;

  /** The facts by experiment, as far as they were read. */
  private final UserExperiments experiments = new UserExperiments();

  /** Number of experiments whose facts are in state. */
  private int storedExperiments;

  private boolean areAllRead;
  private boolean hadPending;

  /** What state holds of the user beside the facts. */
  private UserState written;

  /** The facts that were in use since {@link #clearTouched}; each once, as its field says. */
  private final List<ExperimentFacts> touched = new ArrayList<>(1);

  /** The facts that were in use since {@link #flush}; each once, as its field says. */
  private final List<ExperimentFacts> unwritten = new ArrayList<>(1);

  private int weight = 1_000;
  private final List<EvictionSummary> evicted = new ArrayList<>(0);
  private final List<String> formerIds = new ArrayList<>(0);
  private final List<UnmovedFacts> unmoved = new ArrayList<>(0);

  /** Of the last rename; null: the user was never renamed. */
  private Origin renamed;

  /** The earliest timer known to be set, milliseconds since 1970. */
  long timerAt = Long.MAX_VALUE;

  private UserFacts(UserStorage storage, String key) {
    this.storage = storage;
    this.key = key;
    this.userId = UserKey.userIdOf(key);
  }

  /** Reads a user from state; facts are read when they are needed. */
  static UserFacts read(UserStorage storage, String key) {
    UserFacts facts = new UserFacts(storage, key);
    UserState state = storage.user(key);
    if (state == null) {
      facts.areAllRead = true;
      return facts;
    }
    facts.written = state;
    facts.user = state.user();
    facts.userMark = state.userMark();
    facts.erasedAt = state.erasedAt();
    facts.undecided = state.undecided();
    facts.storedExperiments = state.experiments();
    facts.areAllRead = state.experiments() == 0;
    facts.hadPending = state.pendingExperiments().length > 0;
    for (long experimentId : state.pendingExperiments()) {
      facts.readIn(experimentId);
    }
    facts.evicted.addAll(Arrays.asList(state.evicted()));
    if (state.renamed() != null) {
      facts.userId = state.renamed().userId();
      facts.formerIds.addAll(Arrays.asList(state.renamed().formerIds()));
      facts.renamed = state.renamed().origin();
      for (UnmovedState of : state.renamed().unmoved()) {
        facts.unmoved.add(UnmovedFacts.of(of));
      }
    }
    return facts;
  }

  private ExperimentFacts readIn(long experimentId) {
    ExperimentFacts known = experiments.get(experimentId);
    if (known != null || areAllRead) {
      return known;
    }
    ExperimentState state = storage.experiment(key, experimentId);
    return state == null ? null : add(ExperimentFacts.of(storage, key, state));
  }

  private ExperimentFacts add(ExperimentFacts facts) {
    experiments.add(facts);
    reweigh(facts);
    return facts;
  }

  private ExperimentFacts touch(ExperimentFacts facts) {
    if (!facts.isTouched) {
      facts.isTouched = true;
      touched.add(facts);
    }
    if (!facts.isUnwritten) {
      facts.isUnwritten = true;
      unwritten.add(facts);
    }
    return facts;
  }

  /**
   * Writes the user to state. The figures of {@link #unwritten} must be settled.
   *
   * @return false: there is nothing to keep
   */
  boolean flush() {
    for (ExperimentFacts facts : unwritten) {
      boolean wasStored = facts.isStored();
      facts.flush(storage, key);
      if (facts.isStored() && !wasStored) {
        storedExperiments++;
        storage.enter(key, facts.experimentId);
      } else if (wasStored && !facts.isStored()) {
        storedExperiments--;
        leave(facts.experimentId);
      }
      if (facts.isEmpty()) {
        experiments.remove(facts.experimentId);
      }
      reweigh(facts);
      facts.isTouched = false;
      facts.isUnwritten = false;
    }
    unwritten.clear();
    touched.clear();
    UserState state = toState();
    boolean hasPending = state != null && state.pendingExperiments().length > 0;
    if (hasPending && !hadPending) {
      storage.enter(key, UserIndexState.PENDING);
    } else if (hadPending && !hasPending) {
      storage.leave(key, UserIndexState.PENDING);
    }
    hadPending = hasPending;
    if (state != null && written == null) {
      storage.enter(key, UserIndexState.ALL);
    } else if (state == null && written != null) {
      storage.leave(key, UserIndexState.ALL);
    }
    if (state == null || !state.isSameAs(written)) {
      storage.putUser(key, state);
      written = state;
    }
    return state != null;
  }

  private void leave(long experimentId) {
    if (evictedIn(experimentId) == null) {
      storage.leave(key, experimentId);
    }
  }

  private void reweigh(ExperimentFacts facts) {
    int now = facts.weight();
    weight += now - facts.weighed;
    facts.weighed = now;
  }

  /** The facts that were in use since the last {@link #flush}. */
  List<ExperimentFacts> unwritten() {
    return unwritten;
  }

  /** Writes changed events to state, and takes them off the heap. Figures may be unsettled. */
  void writeEvents() {
    unwritten.forEach(facts -> facts.events.flush());
  }

  /** Ends a change of the user. */
  void clearTouched() {
    for (ExperimentFacts facts : touched) {
      reweigh(facts);
      facts.isTouched = false;
    }
    touched.clear();
  }

  private UserState toState() {
    boolean isEmpty = storedExperiments == 0 && undecided.isEmpty() && evicted.isEmpty();
    if (user == null && erasedAt == 0 && isEmpty) {
      return null;
    }
    return new UserState(
        user,
        userMark,
        erasedAt,
        storedExperiments,
        pendingExperiments(),
        undecided,
        evicted.toArray(EvictionSummary[]::new),
        renamed == null && userId.equals(UserKey.userIdOf(key))
            ? null
            : new RenamedState(
                userId,
                formerIds.toArray(String[]::new),
                renamed,
                unmoved.stream().map(UnmovedFacts::toState).toArray(UnmovedState[]::new)));
  }

  private long[] pendingExperiments() {
    int count = 0;
    for (int i = 0; i < experiments.size(); i++) {
      count += experiments.at(i).hasPending() ? 1 : 0;
    }
    if (count == 0) {
      return NO_EXPERIMENTS;
    }
    long[] ids = new long[count];
    for (int i = 0; i < experiments.size(); i++) {
      ExperimentFacts facts = experiments.at(i);
      if (facts.hasPending()) {
        ids[ids.length - count--] = facts.experimentId;
      }
    }
    return ids;
  }

  /** The ids that the user had before. */
  List<String> formerIds() {
    return formerIds;
  }

  /** Of the last rename; null: the user was never renamed. */
  Origin renamed() {
    return renamed;
  }

  /** The delivered facts whose rows stand under a former id. */
  List<UnmovedFacts> unmoved() {
    return unmoved;
  }

  /** Whether the rows of a fact stand under a former id. */
  boolean hasUnmoved() {
    if (!unmoved.isEmpty()) {
      return true;
    }
    if (evicted.isEmpty()) {
      return false;
    }
    for (EvictionSummary summary : evicted) {
      if (summary.formerId() != null && !summary.lost()) {
        return true;
      }
    }
    return false;
  }

  /** Gives the user another id. The rows of all facts stand under the ids before. */
  void rename(String to, Origin origin) {
    for (ExperimentFacts facts : experiments()) {
      UnmovedFacts now = new UnmovedFacts(userId, facts.experimentId);
      now.addAll(facts);
      for (UnmovedFacts before : unmoved) {
        if (before.experimentId == facts.experimentId) {
          now.removeAll(before);
        }
      }
      if (!now.isEmpty()) {
        unmoved.add(now);
      }
      facts.changeUser(to);
    }
    // They stand where they should, after all.
    unmoved.removeIf(facts -> facts.userId.equals(to));
    evicted.replaceAll(
        summary -> {
          String standsUnder = summary.formerId() == null ? userId : summary.formerId();
          return summary.under(standsUnder.equals(to) ? null : standsUnder);
        });
    formerIds.remove(to);
    formerIds.remove(userId);
    formerIds.add(userId);
    userId = to;
    renamed = origin;
  }

  /** Notes the user's id: where nothing is kept of the user, the key may be of another id. */
  void identify(String id) {
    if (user == null && !hasFacts() && evicted.isEmpty()) {
      userId = id;
    }
  }

  /**
   * Notes that an event has a row under the user's id.
   *
   * @return the former id under which its row stands; null: none
   */
  String moveEvent(long experimentId, EventId id, long occurredAt) {
    UnmovedFacts.EventKey event = new UnmovedFacts.EventKey(id, occurredAt);
    for (UnmovedFacts facts : unmoved) {
      if (facts.experimentId == experimentId && facts.events.remove(event)) {
        unmoved.removeIf(UnmovedFacts::isEmpty);
        return facts.userId;
      }
    }
    return null;
  }

  /** The same for an assignment. */
  String moveAssignment(long experimentId, long id) {
    for (UnmovedFacts facts : unmoved) {
      if (facts.experimentId == experimentId && facts.assignments.remove(id)) {
        unmoved.removeIf(UnmovedFacts::isEmpty);
        return facts.userId;
      }
    }
    return null;
  }

  /** Forgets the former ids: all rows under them are deleted. */
  void forgetFormerIds() {
    formerIds.clear();
    unmoved.clear();
  }

  private boolean hasFacts() {
    if (!areAllRead && storedExperiments > 0) {
      return true;
    }
    for (int i = 0; i < experiments.size(); i++) {
      if (!experiments.at(i).isEmpty()) {
        return true;
      }
    }
    return false;
  }

  /** The facts of all experiments. */
  List<ExperimentFacts> experiments() {
    List<ExperimentFacts> all = unused();
    all.forEach(this::touch);
    return all;
  }

  /** The facts of all experiments, to look at: {@link #findIn} takes those in use that change. */
  List<ExperimentFacts> unused() {
    if (!areAllRead) {
      for (ExperimentState state : storage.experiments(key)) {
        if (experiments.get(state.experimentId()) == null) {
          add(ExperimentFacts.of(storage, key, state));
        }
      }
      areAllRead = true;
    }
    List<ExperimentFacts> all = new ArrayList<>(experiments.size());
    for (int i = 0; i < experiments.size(); i++) {
      all.add(experiments.at(i));
    }
    return all;
  }

  /** The events of an experiment, to look at. */
  EventFacts eventsIn(long experimentId) {
    ExperimentFacts facts = readIn(experimentId);
    return facts == null ? new EventFacts() : facts.events;
  }

  /** The facts of the experiments in which facts have an unresolved reference. */
  List<ExperimentFacts> withPending() {
    List<ExperimentFacts> pending = new ArrayList<>(0);
    for (int i = 0; i < experiments.size(); i++) {
      ExperimentFacts facts = experiments.at(i);
      if (facts.hasPending()) {
        pending.add(touch(facts));
      }
    }
    return pending;
  }

  /** The user's facts in the experiment, or null where there are none. */
  ExperimentFacts findIn(long experimentId) {
    ExperimentFacts facts = readIn(experimentId);
    return facts == null ? null : touch(facts);
  }

  /** The user's facts in the experiment, which are empty where there were none. */
  ExperimentFacts factsIn(long experimentId) {
    ExperimentFacts facts = readIn(experimentId);
    return touch(facts == null ? add(ExperimentFacts.of(storage, key, experimentId)) : facts);
  }

  /** Removes all facts, and the summaries of evicted ones. */
  void clearExperiments() {
    for (EvictionSummary summary : evicted) {
      storage.leave(key, summary.experimentId());
    }
    evicted.clear();
    for (ExperimentFacts facts : experiments()) {
      if (facts.isStored()) {
        storage.leave(key, facts.experimentId);
      }
      remove(facts);
    }
    touched.clear();
    unwritten.clear();
  }

  private void remove(ExperimentFacts facts) {
    storedExperiments -= facts.isStored() ? 1 : 0;
    facts.remove(storage, key);
    experiments.remove(facts.experimentId);
    weight -= facts.weighed;
  }

  List<EvictionSummary> evicted() {
    return evicted;
  }

  /** The summary of the user's evicted facts in the experiment; null: they are in state. */
  EvictionSummary evictedIn(long experimentId) {
    if (evicted.isEmpty()) {
      return null;
    }
    for (EvictionSummary summary : evicted) {
      if (summary.experimentId() == experimentId) {
        return summary;
      }
    }
    return null;
  }

  /** Replaces facts by their summary. */
  void evict(EvictionSummary summary) {
    ExperimentFacts facts = readIn(summary.experimentId());
    if (facts != null) {
      remove(facts);
      touched.remove(facts);
      unwritten.remove(facts);
    }
    evicted.add(summary);
  }

  /** Replaces a summary by the facts that it was made of. */
  void rehydrate(EvictionSummary summary, ExperimentFacts read) {
    evicted.remove(summary);
    ExperimentFacts facts = factsIn(summary.experimentId());
    facts.takeOver(read, summary.countedBy());
    if (summary.formerId() != null) {
      UnmovedFacts under = new UnmovedFacts(summary.formerId(), facts.experimentId);
      under.addAll(facts);
      unmoved.add(under);
      facts.changeUser(userId);
    }
  }

  /** An estimate of the heap that this object takes, in bytes: it bounds the cache. */
  int weight() {
    return weight + 80 * evicted.size();
  }

  /** The facts that were in use since {@link #clearTouched}. */
  List<ExperimentFacts> touched() {
    return touched;
  }
}
