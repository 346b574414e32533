package io.experimentetl.attribution;

import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What one user adds to the statistics of one experiment, as it was sent last: a difference is new
 * minus this. Figures are read when they are needed; changes are on the heap until {@link #flush}.
 */
final class Figures {
  private static final int WEIGHT = 400;

  private final FactEntries<FigureKey> entries;

  /** The figures that were read or changed; null: there is none. */
  private final Map<FigureKey, Object> held = new HashMap<>();

  private final Set<FigureKey> changed = new HashSet<>();

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

  /** An estimate of the heap that the figures take, in bytes. */
  int weight() {
    return WEIGHT * held.size() + entries.weight();
  }

  DailySums daily(DailyKey of) {
    DailySums sums = (DailySums) get(FigureKey.of(of));
    return sums == null ? DailySums.ZERO : sums;
  }

  HealthCounts health(HealthKey of) {
    HealthCounts counts = (HealthCounts) get(FigureKey.of(of));
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
    if (held.containsKey(figure)) {
      return held.get(figure);
    }
    byte[] entry = entries.get(figure);
    Object read = entry == null ? null : FigureSerializer.read(figure, entry);
    held.put(figure, read);
    return read;
  }

  /**
   * Sets a figure.
   *
   * @param value {@link DailySums}, {@link HealthCounts}, {@link MetricTotal} or a number; null:
   *     removes it
   */
  void set(FigureKey figure, Object value) {
    held.put(figure, value);
    changed.add(figure);
  }

  /** All figures, as they are at the moment. */
  Map<FigureKey, Object> all() {
    Map<FigureKey, Object> all = new HashMap<>();
    entries.forEach(
        (figure, entry) -> {
          if (!held.containsKey(figure)) {
            all.put(figure, FigureSerializer.read(figure, entry));
          }
        });
    held.forEach(
        (figure, value) -> {
          if (value != null) {
            all.put(figure, value);
          }
        });
    return all;
  }

  /** Removes all figures. */
  void clear() {
    entries.clear();
    held.clear();
    changed.clear();
  }

  /** Writes the changes to state, and leaves nothing on the heap. */
  void flush() {
    if (!changed.isEmpty()) {
      Map<FigureKey, byte[]> changes = new HashMap<>();
      for (FigureKey figure : changed) {
        Object value = held.get(figure);
        changes.put(figure, value == null ? null : FigureSerializer.write(value));
      }
      entries.put(changes);
      changed.clear();
    }
    held.clear();
  }
}
