package io.experimentetl.attribution;

import io.experimentetl.model.UserRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One user's facts, on the heap: the working form of {@link UserState}. */
final class UserFacts {
  final String userId;

  /** Null: the user's row is not known. */
  UserRow user;

  /** See {@link UserState#erasedTxId}. */
  long erasedTxId;

  /** See {@link UserState#erasedUntil}. */
  long erasedUntil;

  final List<UndecidedDelete> undecidedDeletes = new ArrayList<>(0);
  private final List<ExperimentFacts> experiments = new ArrayList<>(1);
  private final List<EvictionSummary> evicted = new ArrayList<>(0);

  /** The earliest timer known to be set, milliseconds since 1970. */
  long timerAt = Long.MAX_VALUE;

  UserFacts(String userId) {
    this.userId = userId;
  }

  /**
   * Takes the record over: it must not be used any more.
   *
   * @param state null: nothing is known of the user
   */
  static UserFacts of(String userId, UserState state) {
    UserFacts facts = new UserFacts(userId);
    if (state != null) {
      facts.user = state.user();
      facts.erasedTxId = state.erasedTxId();
      facts.erasedUntil = state.erasedUntil();
      facts.undecidedDeletes.addAll(Arrays.asList(state.undecidedDeletes()));
      for (ExperimentState experiment : state.experiments()) {
        facts.experiments.add(ExperimentFacts.of(experiment));
      }
      facts.evicted.addAll(Arrays.asList(state.evicted()));
    }
    return facts;
  }

  /** The state to keep, or null where there is nothing to keep. */
  UserState toState() {
    experiments.removeIf(ExperimentFacts::isEmpty);
    if (user == null
        && erasedTxId == 0
        && experiments.isEmpty()
        && undecidedDeletes.isEmpty()
        && evicted.isEmpty()) {
      return null;
    }
    ExperimentState[] states = new ExperimentState[experiments.size()];
    for (int i = 0; i < states.length; i++) {
      states[i] = experiments.get(i).toState();
    }
    return new UserState(
        user,
        erasedTxId,
        erasedUntil,
        states,
        undecidedDeletes.toArray(UndecidedDelete[]::new),
        evicted.toArray(EvictionSummary[]::new));
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
   * When the next grace period or undecided delete of the user is due, milliseconds since 1970;
   * {@link Long#MAX_VALUE}: never.
   */
  long nextDue() {
    long next = erasedTxId == 0 ? Long.MAX_VALUE : erasedUntil;
    for (UndecidedDelete undecided : undecidedDeletes) {
      next = Math.min(next, undecided.decideAt());
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
