package io.experimentetl.attribution;

import io.experimentetl.model.EventId;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * The delivered events of one user in one experiment. An event is looked up by its id; only {@link
 * #forEachId} reads all of them. Changes are on the heap until {@link #flush}.
 */
final class EventFacts {
  /** The events of one id that were looked up or changed. */
  private static final class Held extends HeldEntry<EventId> {
    /** None: there are none of this id. */
    private EventFact[] events;

    private Held(EventId id, EventFact[] events) {
      super(id, events.length == 0);
      this.events = events;
    }

    @Override
    byte[] contents() {
      return events.length > 0 ? EventFactSerializer.write(events) : null;
    }
  }

  private final FactEntries<EventId> entries;

  /** Null: none are held. */
  private HeldEntries<EventId, Held> held;

  /** What was looked up last: an event is looked up several times on its way. */
  private Held last;

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

  /** See {@link FactEntries#takeChanges}. */
  byte[] takeChanges() {
    return entries.takeChanges();
  }

  /**
   * Applies what {@link #takeChanges} returned.
   *
   * @param sizeNow the number of events then
   */
  void apply(byte[] changes, int sizeNow) {
    entries.apply(changes);
    size = sizeNow;
  }

  int size() {
    return size;
  }

  /** An estimate of the heap that the events take, in bytes. */
  int weight() {
    return (held == null ? 0 : EventFact.WEIGHT * held.size()) + entries.weight();
  }

  /** All events of the id, in the order of their arrival. */
  EventFact[] withId(EventId id) {
    return held(id).events;
  }

  private Held held(EventId id) {
    if (last != null && last.key().equals(id)) {
      return last;
    }
    if (held == null) {
      held = new HeldEntries<>();
    }
    Held known = held.get(id);
    if (known == null) {
      byte[] entry = entries.get(id);
      known = new Held(id, entry == null ? EventFact.NONE : EventFactSerializer.read(id, entry));
      held.add(known);
    }
    last = known;
    return known;
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
    Held of = held(id);
    of.events = now;
    of.setChanged();
  }

  /** Passes all events on, those of one id together. They must not change meanwhile. */
  void forEachId(Consumer<EventFact[]> consumer) {
    entries.forEach(
        (id, entry) -> {
          if (held == null || held.get(id) == null) {
            consumer.accept(EventFactSerializer.read(id, entry));
          }
        });
    if (held != null) {
      for (Held of : held.all()) {
        if (of.events.length > 0) {
          consumer.accept(of.events);
        }
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
    forget();
    size = 0;
  }

  private void forget() {
    held = null;
    last = null;
  }

  /** Writes the changes to state, and leaves nothing on the heap. */
  void flush() {
    if (size == 0) {
      entries.clear();
    } else if (held != null) {
      entries.write(held.all());
    }
    forget();
  }
}
