package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The delivered events of one user in one experiment. An event is looked up by its id; only {@link
 * #forEachId} reads all of them. Changes are on the heap until {@link #flush}.
 */
final class EventFacts {
  private final FactEntries<EventId> entries;

  /** By id, the events that were looked up or changed; none: there are none of this id. */
  private final Map<EventId, EventFact[]> held = new LinkedHashMap<>();

  private final Set<EventId> changed = new HashSet<>();
  private int size;

  /** Events on the heap alone. */
  EventFacts() {
    this(FactEntries.onTheHeap(EntriesSerializer.EVENTS), 0);
  }

  /**
   * The events of a user in state.
   *
   * @param size their number
   */
  EventFacts(FactEntries<EventId> entries, int size) {
    this.entries = entries;
    this.size = size;
  }

  /** What the experiment's record contains of them, after {@link #flush}. */
  byte[] inRecord() {
    return entries.inRecord();
  }

  int size() {
    return size;
  }

  /** An estimate of the heap that the events take, in bytes. */
  int weight() {
    return EventFact.WEIGHT * held.size() + entries.weight();
  }

  /** All events of the id, in the order of their arrival. */
  EventFact[] withId(EventId id) {
    EventFact[] known = held.get(id);
    if (known != null) {
      return known;
    }
    byte[] entry = entries.get(id);
    EventFact[] read = entry == null ? EventFact.NONE : EventFactSerializer.read(id, entry);
    held.put(id, read);
    return read;
  }

  /** The event with this key, or null. */
  EventFact find(EventId id, long occurredAt) {
    for (EventFact event : withId(id)) {
      if (event.occurredAt() == occurredAt) {
        return event;
      }
    }
    return null;
  }

  /** Adds an event, or replaces the one with its key. */
  void put(EventFact event) {
    EventFact[] sameId = withId(event.id());
    EventFact[] now = null;
    for (int i = 0; i < sameId.length; i++) {
      if (sameId[i].occurredAt() == event.occurredAt()) {
        now = sameId.clone();
        now[i] = event;
      }
    }
    if (now == null) {
      now = Arrays.copyOf(sameId, sameId.length + 1);
      now[sameId.length] = event;
      size++;
    }
    change(event.id(), now);
  }

  /** Removes the event with this key, which is there. */
  void remove(EventId id, long occurredAt) {
    EventFact[] now =
        Arrays.stream(withId(id))
            .filter(event -> event.occurredAt() != occurredAt)
            .toArray(EventFact[]::new);
    size--;
    change(id, now);
  }

  private void change(EventId id, EventFact[] now) {
    held.put(id, now);
    changed.add(id);
  }

  /** Passes all events on, those of one id together. They must not change meanwhile. */
  void forEachId(Consumer<EventFact[]> consumer) {
    entries.forEach(
        (id, entry) -> {
          if (!held.containsKey(id)) {
            consumer.accept(EventFactSerializer.read(id, entry));
          }
        });
    for (EventFact[] sameId : held.values()) {
      if (sameId.length > 0) {
        consumer.accept(sameId);
      }
    }
  }

  /** Passes all events on, repetitions too. They must not change meanwhile. */
  void forEach(Consumer<EventFact> consumer) {
    forEachId(
        sameId -> {
          for (EventFact event : sameId) {
            consumer.accept(event);
          }
        });
  }

  /** Removes all events. */
  void clear() {
    entries.clear();
    held.clear();
    changed.clear();
    size = 0;
  }

  /** Writes the changes to state, and leaves nothing on the heap. */
  void flush() {
    if (size == 0) {
      entries.clear();
    } else if (!changed.isEmpty()) {
      Map<EventId, byte[]> changes = new HashMap<>();
      for (EventId id : changed) {
        EventFact[] sameId = held.get(id);
        changes.put(id, sameId.length > 0 ? EventFactSerializer.write(sameId) : null);
      }
      entries.put(changes);
    }
    changed.clear();
    held.clear();
  }
}
