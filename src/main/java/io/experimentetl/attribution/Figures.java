package io.experimentetl.attribution;

import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import java.util.HashMap;
import java.util.Map;

/**
 * What one user adds to the statistics of one experiment, as it was sent last: a difference is new
 * minus this. Figures are read when they are needed; changes are on the heap until {@link #flush}.
 */
final class Figures {
  private static final int WEIGHT = 400;

  private final FactEntries<FigureKey> entries;

  /** A figure that was read or changed. */
  private static final class Held extends HeldEntry<FigureKey> {
    /** Null: there is none. */
    private Object value;

    private Held(FigureKey figure, Object value, boolean isNew) {
      super(figure, isNew);
      this.value = value;
    }

    @Override
    byte[] contents() {
      return value == null ? null : FigureSerializer.write(value);
    }
  }

  /** Null: none are held. */
  private HeldEntries<FigureKey, Held> held;

  /** Figures on the heap alone. */
  Figures() {
    this(FactEntries.onTheHeap(EntriesSerializer.FIGURES));
  }

  /** The figures of a user in state. */
  Figures(FactEntries<FigureKey> entries) {
    this.entries = entries;
  }

  /** Whether each figure is an entry of keyed state. */
  boolean areStored() {
    return entries.isStored();
  }

  /** What the experiment's record contains of them, after {@link #flush}. */
  byte[] inRecord() {
    return entries.inRecord();
  }

  /** See {@link FactEntries#takeChanges}. */
  byte[] takeChanges() {
    return entries.takeChanges();
  }

  /** Applies what {@link #takeChanges} returned. */
  void apply(byte[] changes) {
    entries.apply(changes);
  }

  /** An estimate of the heap that the figures take, in bytes. */
  int weight() {
    return (held == null ? 0 : WEIGHT * held.size()) + entries.weight();
  }

  DailySums daily(FigureKey figure) {
    DailySums sums = (DailySums) get(figure);
    return sums == null ? DailySums.ZERO : sums;
  }

  HealthCounts health(FigureKey figure) {
    HealthCounts counts = (HealthCounts) get(figure);
    return counts == null ? HealthCounts.ZERO : counts;
  }

  MetricTotal total(String metric) {
    MetricTotal total = (MetricTotal) get(FigureKey.ofTotal(metric));
    return total == null ? MetricTotal.ZERO : total;
  }

  long events(int day) {
    Long events = (Long) get(FigureKey.ofEvents(day));
    return events == null ? 0 : events;
  }

  private Object get(FigureKey figure) {
    return held(figure).value;
  }

  private Held held(FigureKey figure) {
    if (held == null) {
      held = new HeldEntries<>();
    }
    Held known = held.get(figure);
    if (known == null) {
      byte[] entry = entries.get(figure);
      known =
          new Held(
              figure, entry == null ? null : FigureSerializer.read(figure, entry), entry == null);
      held.add(known);
    }
    return known;
  }

  /**
   * Sets a figure.
   *
   * @param value {@link DailySums}, {@link HealthCounts}, {@link MetricTotal} or a number; null:
   *     removes it
   */
  void set(FigureKey figure, Object value) {
    if (held == null) {
      held = new HeldEntries<>();
    }
    Held known = held.get(figure);
    if (known == null) {
      known = new Held(figure, value, false);
      held.add(known);
    }
    known.value = value;
    known.setChanged();
  }

  /** All figures, as they are at the moment. */
  Map<FigureKey, Object> all() {
    Map<FigureKey, Object> all = new HashMap<>();
    entries.forEach(
        (figure, entry) -> {
          if (held == null || held.get(figure) == null) {
            all.put(figure, FigureSerializer.read(figure, entry));
          }
        });
    if (held != null) {
      for (Held known : held.all()) {
        if (known.value != null) {
          all.put(known.key(), known.value);
        }
      }
    }
    return all;
  }

  /** Removes all figures. */
  void clear() {
    entries.clear();
    held = null;
  }

  /** Writes the changes to state, and leaves nothing on the heap. */
  void flush() {
    if (held != null) {
      entries.write(held.all());
      held = null;
    }
  }
}
