package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import io.experimentetl.model.UserKey;
import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One user's facts, on the heap: the working form of {@link UserState}. */
final class UserFacts {
  /** The key of the user's state: the user's first id, or one made for an id used again. */
  final String key;

  /** The user's id now. */
  String userId;

  /** Null: the user's row is not known. */
  UserRow user;

  /** The {@link FactMark} of the user's row. */
  byte userMark;

  /** What a transaction that has not ended has done to the user. */
  UndecidedTransaction undecided = UndecidedTransaction.NONE;

  private final List<ExperimentFacts> experiments = new ArrayList<>(1);
  private final List<EvictionSummary> evicted = new ArrayList<>(0);
  private final List<String> formerIds = new ArrayList<>(0);
  private final List<UnmovedFacts> unmoved = new ArrayList<>(0);

  /** Of the last rename; null: the user was never renamed. */
  private Origin renamed;

  /** The earliest timer known to be set, milliseconds since 1970. */
  long timerAt = Long.MAX_VALUE;

  UserFacts(String key) {
    this.key = key;
    this.userId = UserKey.userIdOf(key);
  }

  /**
   * Takes the record over: it must not be used any more.
   *
   * @param state null: nothing is known of the user
   */
  static UserFacts of(String key, UserState state) {
    UserFacts facts = new UserFacts(key);
    if (state != null) {
      facts.user = state.user();
      facts.userMark = state.userMark();
      facts.undecided = state.undecided();
      for (ExperimentState experiment : state.experiments()) {
        facts.experiments.add(ExperimentFacts.of(experiment));
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
    }
    return facts;
  }

  /** The state to keep, or null where there is nothing to keep. */
  UserState toState() {
    experiments.removeIf(ExperimentFacts::isEmpty);
    if (user == null && experiments.isEmpty() && undecided.isEmpty() && evicted.isEmpty()) {
      return null;
    }
    ExperimentState[] states = new ExperimentState[experiments.size()];
    for (int i = 0; i < states.length; i++) {
      states[i] = experiments.get(i).toState();
    }
    return new UserState(
        user,
        userMark,
        states,
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
    for (EvictionSummary summary : evicted) {
      if (summary.formerId() != null && !summary.lost()) {
        return true;
      }
    }
    return false;
  }

  /** Gives the user another id. The rows of all facts stand under the ids before. */
  void rename(String to, Origin origin) {
    for (ExperimentFacts facts : experiments) {
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
    if (user == null && experiments.isEmpty() && evicted.isEmpty()) {
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

  List<ExperimentFacts> experiments() {
    return experiments;
  }

  /** The user's facts in the experiment, which are empty where there were none. */
  ExperimentFacts factsIn(long experimentId) {
    for (ExperimentFacts facts : experiments) {
      if (facts.experimentId == experimentId) {
        return facts;
      }
    }
    ExperimentFacts facts = new ExperimentFacts(experimentId);
    experiments.add(facts);
    return facts;
  }

  List<EvictionSummary> evicted() {
    return evicted;
  }

  /** The summary of the user's evicted facts in the experiment; null: they are in state. */
  EvictionSummary evictedIn(long experimentId) {
    for (EvictionSummary summary : evicted) {
      if (summary.experimentId() == experimentId) {
        return summary;
      }
    }
    return null;
  }

  /** Replaces facts by their summary. */
  void evict(EvictionSummary summary) {
    experiments.removeIf(facts -> facts.experimentId == summary.experimentId());
    evicted.add(summary);
  }

  /** Replaces a summary by the facts that it was made of. */
  void rehydrate(EvictionSummary summary, ExperimentFacts facts) {
    evicted.remove(summary);
    experiments.removeIf(others -> others.experimentId == summary.experimentId());
    experiments.add(facts);
    if (summary.formerId() != null) {
      UnmovedFacts under = new UnmovedFacts(summary.formerId(), facts.experimentId);
      under.addAll(facts);
      unmoved.add(under);
      facts.changeUser(userId);
    }
  }

  /** An estimate of the heap that this object takes, in bytes: it bounds the cache. */
  int weight() {
    int weight = 1_000 + 80 * evicted.size();
    for (ExperimentFacts facts : experiments) {
      weight += 1_500 + 60 * facts.events.size() + 500 * facts.pendingEvents.size();
    }
    return weight;
  }

  /**
   * When the user's next grace period ends, milliseconds since 1970; {@link Long#MAX_VALUE}: never,
   * or not before a transaction ends.
   */
  long nextDue() {
    long next = Long.MAX_VALUE;
    if (!undecided.isEmpty()) {
      return next;
    }
    for (ExperimentFacts facts : experiments) {
      for (PendingAssignment held : facts.pendingAssignments) {
        if (!held.isFlagged()) {
          next = Math.min(next, held.pendingUntil());
        }
      }
      for (PendingEvent held : facts.pendingEvents) {
        if (!held.isFlagged()) {
          next = Math.min(next, held.pendingUntil());
        }
      }
    }
    return next;
  }
}
