package io.experimentetl.cdc;

import io.experimentetl.model.UserKey;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Under which key the facts of a renamed user are kept. A user's facts are keyed by the user's
 * first id, and stay there when the id changes: the new id becomes an alias of that key. If another
 * user gets an id that is a key in use, that user gets a key of its own. There are at most two
 * entries per renaming.
 */
final class RenamedUsers {
  /**
   * One id whose key is another text, or that has former ids; a record of operator state.
   *
   * @param key under which the facts are kept
   * @param formerIds the ids that this user had before and no other user has now
   */
  public record Entry(String userId, String key, String[] formerIds) {}

  private final Map<String, Entry> entries = new HashMap<>();

  /** By key in use that is not its user's id, that id. */
  private final Map<String, String> owners = new HashMap<>();

  /** By former id, the id that the user has now. */
  private final Map<String, String> successors = new HashMap<>();

  /** Continues from the entries of {@link #entries}. */
  RenamedUsers(Iterable<Entry> restored) {
    restored.forEach(this::put);
  }

  List<Entry> entries() {
    return new ArrayList<>(entries.values());
  }

  int size() {
    return entries.size();
  }

  /** The key of the user with the id. */
  String keyOf(String userId) {
    if (entries.isEmpty()) {
      return userId;
    }
    Entry entry = entries.get(userId);
    return entry == null ? userId : entry.key();
  }

  /**
   * Notes that a user got another id.
   *
   * @param sequenceNumber of the change; no two have the same
   */
  void rename(String from, String to, long sequenceNumber) {
    Entry before = remove(from);
    List<String> formerIds = new ArrayList<>();
    if (before != null) {
      formerIds.addAll(List.of(before.formerIds()));
    }
    formerIds.remove(to);
    formerIds.add(from);
    use(to);
    remove(to);
    put(new Entry(to, before == null ? from : before.key(), formerIds.toArray(String[]::new)));
    if (owners.containsKey(from)) {
      put(new Entry(from, UserKey.madeFor(from, sequenceNumber), new String[0]));
    }
  }

  /** Notes that a user with the id exists: it is no former id of another user any more. */
  void use(String userId) {
    String successor = successors.remove(userId);
    if (successor != null) {
      Entry entry = entries.get(successor);
      List<String> formerIds = new ArrayList<>(List.of(entry.formerIds()));
      formerIds.remove(userId);
      entries.put(successor, new Entry(successor, entry.key(), formerIds.toArray(String[]::new)));
    }
  }

  /** The ids that the user had before and no other user has now. */
  List<String> formerIdsOf(String userId) {
    Entry entry = entries.get(userId);
    return entry == null ? List.of() : List.of(entry.formerIds());
  }

  private void put(Entry entry) {
    entries.put(entry.userId(), entry);
    if (!entry.key().equals(entry.userId())) {
      owners.put(entry.key(), entry.userId());
    }
    for (String formerId : entry.formerIds()) {
      successors.put(formerId, entry.userId());
    }
  }

  private Entry remove(String userId) {
    Entry entry = entries.remove(userId);
    if (entry != null) {
      owners.remove(entry.key(), userId);
      for (String formerId : entry.formerIds()) {
        successors.remove(formerId, userId);
      }
    }
    return entry;
  }
}
