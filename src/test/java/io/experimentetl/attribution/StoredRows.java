package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.warehouse.RawEvents;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The rows that were sent, as a warehouse shows them. */
final class StoredRows implements RawEvents {
  private final List<EventProcessed> events;
  private final List<AssignmentProcessed> assignments;
  private final List<EventProcessed> archived;
  private int removals;

  /** Number of rows that are visible. */
  int visibleEvents = Integer.MAX_VALUE;

  int visibleAssignments = Integer.MAX_VALUE;
  boolean answers = true;

  StoredRows(List<EventProcessed> events, List<AssignmentProcessed> assignments) {
    this(events, assignments, new ArrayList<>());
  }

  StoredRows(
      List<EventProcessed> events,
      List<AssignmentProcessed> assignments,
      List<EventProcessed> archived) {
    this.events = events;
    this.assignments = assignments;
    this.archived = archived;
  }

  @Override
  public void read(
      Collection<String> userIds,
      Collection<String> eventTypes,
      long from,
      Consumer<EventRow> consumer) {
    newest(visible(events, visibleEvents), StoredRows::keyOf, EventProcessed::version)
        .values()
        .forEach(
            rows ->
                rows.stream()
                    .filter(row -> !row.version().deleted())
                    .map(EventProcessed::event)
                    .filter(event -> userIds.contains(event.userId()))
                    .filter(event -> eventTypes.contains(event.eventType()))
                    .filter(event -> event.occurredAt() >= from)
                    .forEach(consumer));
  }

  @Override
  public void readAsOf(
      Collection<Long> experimentIds,
      Collection<String> userIds,
      long bound,
      Events eventConsumer,
      Assignments assignmentConsumer)
      throws IOException {
    if (!answers) {
      throw new IOException("away");
    }
    List<EventProcessed> before =
        visible(events, visibleEvents).stream()
            .filter(row -> row.version().version() <= bound)
            .toList();
    newest(before, StoredRows::keyOf, EventProcessed::version)
        .values()
        .forEach(
            rows ->
                rows.stream()
                    .filter(row -> !row.version().deleted())
                    .filter(row -> experimentIds.contains(row.event().experimentId()))
                    .filter(row -> userIds.contains(row.event().userId()))
                    .collect(
                        Collectors.toMap(
                            EventProcessed::event,
                            row -> stored(row.version(), row.dayEpoch(), row.inconsistencies()),
                            StoredRows::merged,
                            LinkedHashMap::new))
                    .forEach(eventConsumer::accept));
    List<AssignmentProcessed> assignmentsBefore =
        visible(assignments, visibleAssignments).stream()
            .filter(row -> row.version().version() <= bound)
            .toList();
    newest(
            assignmentsBefore,
            row ->
                List.of(
                    row.assignment().experimentId(),
                    row.assignment().userId(),
                    row.assignment().id()),
            AssignmentProcessed::version)
        .values()
        .forEach(
            rows ->
                rows.stream()
                    .filter(row -> !row.version().deleted())
                    .filter(row -> experimentIds.contains(row.assignment().experimentId()))
                    .filter(row -> userIds.contains(row.assignment().userId()))
                    .collect(
                        Collectors.toMap(
                            row -> Map.entry(row.assignment(), row.assignedSequence()),
                            row -> stored(row.version(), row.dayEpoch(), row.inconsistencies()),
                            StoredRows::merged,
                            LinkedHashMap::new))
                    .forEach(
                        (row, stored) ->
                            assignmentConsumer.accept(row.getKey(), row.getValue(), stored)));
  }

  private static Stored stored(RowVersion version, int dayEpoch, FindingCode[] found) {
    return new Stored(
        version.lsn(),
        version.committedAt(),
        version.version(),
        dayEpoch,
        Set.copyOf(List.of(found)));
  }

  private static Stored merged(Stored a, Stored b) {
    Set<FindingCode> found = new HashSet<>(a.found());
    found.addAll(b.found());
    return new Stored(a.lsn(), a.committedAt(), a.version(), a.dayEpoch(), found);
  }

  private static List<Object> keyOf(EventProcessed row) {
    return List.of(
        row.event().experimentId(),
        row.event().userId(),
        row.event().id(),
        row.event().occurredAt());
  }

  private static <T> List<T> visible(List<T> rows, int visible) {
    return rows.subList(0, Math.min(visible, rows.size()));
  }

  /** By key the rows of the greatest version: one, unless two versions are equal. */
  private static <T> Map<Object, Collection<T>> newest(
      List<T> rows, Function<T, Object> key, Function<T, RowVersion> version) {
    Map<Object, Collection<T>> newest = new HashMap<>();
    for (T row : rows) {
      Collection<T> of = newest.computeIfAbsent(key.apply(row), k -> new LinkedHashSet<>());
      long before = of.stream().mapToLong(other -> version.apply(other).version()).max().orElse(-1);
      long now = version.apply(row).version();
      if (now > before) {
        of.clear();
      }
      if (now >= before) {
        of.add(row);
      }
    }
    return newest;
  }

  /** Loses all events sent so far. */
  void loseEvents() {
    events.clear();
  }

  /** What is recalled is removed before it is read, this many times. */
  void removeRecalled(int times) {
    removals = times;
  }

  /** Loses them, but they can be recalled. */
  void archiveEvents() {
    archived.addAll(events);
    events.clear();
  }

  @Override
  public OptionalLong recall(String userId, long earliest, long latest) {
    if (removals > 0) {
      removals--;
      return OptionalLong.of(1);
    }
    List<EventProcessed> back =
        archived.stream()
            .filter(row -> row.event().userId().equals(userId))
            .filter(row -> row.event().occurredAt() >= earliest)
            .filter(row -> row.event().occurredAt() <= latest)
            .toList();
    events.addAll(0, back);
    archived.removeAll(back);
    return OptionalLong.of(back.size());
  }

  @Override
  public void close() {}
}
