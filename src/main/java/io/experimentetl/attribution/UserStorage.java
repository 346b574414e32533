package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.util.List;

/**
 * Where users' facts are kept. Where facts are many, each is an entry of its own. A user is named
 * by the key of the user's state.
 */
interface UserStorage {
  /** The user, or null where nothing is kept. */
  UserState user(String key);

  /**
   * Writes the user.
   *
   * @param state null: nothing is to be kept
   */
  void putUser(String key, UserState state);

  /** What is kept of the user in the experiment beside many events and figures, or null. */
  ExperimentState experiment(String key, long experimentId);

  /** The same of all experiments in which the user has facts. */
  List<ExperimentState> experiments(String key);

  /**
   * Writes what is kept beside many events and figures.
   *
   * @param state null: nothing is to be kept
   */
  void putExperiment(String key, long experimentId, ExperimentState state);

  /**
   * Appends a change to what is kept of the user in the experiment: an {@link ExperimentChange}.
   */
  void appendToExperiment(String key, long experimentId, byte[] change);

  /** The appended changes, in their order. */
  List<byte[]> appendedToExperiment(String key, long experimentId);

  /** Removes the appended changes: what they changed was written or removed. */
  void clearAppended(String key, long experimentId);

  /**
   * Notes that the user has facts in the experiment, in state or evicted.
   *
   * @param experimentId or {@link UserIndexState#PENDING} or {@link UserIndexState#ALL}
   */
  void enter(String key, long experimentId);

  /** Takes the note back. */
  void leave(String key, long experimentId);

  /** The user's events in the experiment by id, where they are many: see {@link FactEntries}. */
  Entries<EventId> events(String key, long experimentId);

  /** The figures that the user adds to the experiment's statistics, where they are many. */
  Entries<FigureKey> figures(String key, long experimentId);

  /** Up to how many bytes events, and figures, are few. */
  int maxBytesInRecord();
}
