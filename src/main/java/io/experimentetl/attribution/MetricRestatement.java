package io.experimentetl.attribution;

import io.experimentetl.clickhouse.Backoff;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.PropertyValue;
import io.experimentetl.warehouse.RawEvents;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Restates the days after a change of metrics: reads the missing values of facts from the raw rows,
 * and sends the differences of the days. It is complete before the first checkpoint; a start that
 * fails within it begins again at the savepoint.
 */
final class MetricRestatement {
  private final MetricChange change;
  private final Dimensions dimensions;
  private final RawEvents rows;
  private final WarehouseFacts evictedFacts;
  private final Duration patience;
  private final AttributionOutput out;

  /**
   * A restatement that has not begun.
   *
   * @param evictedFacts with the values of the properties that the metrics before or after name
   * @param patience how long rows that the savepoint's job has sent may need to become visible
   */
  MetricRestatement(
      MetricChange change,
      Dimensions dimensions,
      RawEvents rows,
      WarehouseFacts evictedFacts,
      Duration patience,
      AttributionOutput out) {
    this.change = change;
    this.dimensions = dimensions;
    this.rows = rows;
    this.evictedFacts = evictedFacts;
    this.patience = patience;
    this.out = out;
  }

  /** Restates all users of a store, in which nothing is cached yet. */
  void apply(UserStore store) throws IOException, InterruptedException {
    for (List<String> batch : store.batches()) {
      List<UserFacts> users = new ArrayList<>(batch.size());
      for (String key : batch) {
        users.add(UserFacts.of(key, store.read(key)));
      }
      for (UserFacts changed : apply(users)) {
        store.write(changed.key, changed.toState());
      }
    }
  }

  /**
   * Restates users, whose facts then hold all values.
   *
   * @return the users whose facts were changed
   * @throws IOException the warehouse can't be read, or misses a row of a fact
   */
  List<UserFacts> apply(List<UserFacts> users) throws IOException, InterruptedException {
    List<UserFacts> incomplete = users.stream().filter(user -> missing(user) > 0).toList();
    if (!incomplete.isEmpty()) {
      fill(incomplete);
    }
    for (UserFacts user : users) {
      for (ExperimentFacts facts : user.experiments()) {
        sendDifference(facts);
      }
    }
    restateEvicted(users);
    return incomplete;
  }

  private void sendDifference(ExperimentFacts facts) {
    Contributions.sendDaily(
        Contributions.of(facts, dimensions, change.before()).daily(),
        Contributions.of(facts, dimensions, change.after()).daily(),
        dimensions.calendarOf(dimensions.experiment(facts.experimentId)),
        out);
  }

  /** Evicted facts are only read and counted: they do not change, so they stay evicted. */
  private void restateEvicted(List<UserFacts> users) throws IOException {
    Map<String, List<EvictionSummary>> summaries = new HashMap<>();
    for (UserFacts user : users) {
      for (EvictionSummary summary : user.evicted()) {
        if (!summary.lost()) {
          summaries
              .computeIfAbsent(Rehydration.idOf(user, summary), id -> new ArrayList<>(1))
              .add(summary);
        }
      }
    }
    evictedFacts.readAhead(summaries);
    for (Map.Entry<String, List<EvictionSummary>> of : summaries.entrySet()) {
      for (EvictionSummary summary : of.getValue()) {
        ExperimentFacts facts = evictedFacts.rehydrate(of.getKey(), summary);
        if (facts == null) {
          throw new IOException(
              "To restate %s, the evicted facts of user %s in experiment %d are read from events_processed and assignments_processed, and some of their rows are missing there: ClickHouse's retention has removed them. Start with the metrics of the savepoint, or let ./etl resync count the rows that exist"
                  .formatted(change.restated(), of.getKey(), summary.experimentId()));
        }
        sendDifference(facts);
      }
    }
  }

  private int missing(UserFacts user) {
    int missing = 0;
    for (ExperimentFacts facts : user.experiments()) {
      for (int i = 0; i < facts.events.size(); i++) {
        if (change.wants(facts.events.eventType(i), facts.events.occurredAt(i))) {
          missing++;
        }
      }
    }
    return missing;
  }

  private void fill(List<UserFacts> users) throws IOException, InterruptedException {
    int missing = users.stream().mapToInt(this::missing).sum();
    Map<String, List<UserFacts>> byId = new HashMap<>();
    for (UserFacts user : users) {
      byId.computeIfAbsent(user.userId, id -> new ArrayList<>(1)).add(user);
      for (UnmovedFacts facts : user.unmoved()) {
        byId.computeIfAbsent(facts.userId, id -> new ArrayList<>(1)).add(user);
      }
    }
    Set<String> types = new LinkedHashSet<>();
    long from = Long.MAX_VALUE;
    for (MetricChange.Wanted wanted : change.wanted()) {
      types.add(wanted.eventType());
      from = Math.min(from, wanted.from());
    }
    Backoff backoff = new Backoff(patience);
    while (true) {
      int[] found = {0};
      rows.read(
          byId.keySet(),
          types,
          from,
          event -> {
            for (UserFacts user : byId.get(event.userId())) {
              if (fill(user, event)) {
                found[0]++;
                break;
              }
            }
          });
      if (found[0] == missing) {
        return;
      }
      if (backoff.isOver()) {
        throw new IOException(
            "To restate %s, %d events of the users %s … are read from events_processed, and %d of them are missing there or differ from the savepoint. If ClickHouse's retention has removed them, choose a later day; otherwise ./etl resync reads everything again"
                .formatted(
                    change.restated(),
                    missing,
                    byId.keySet().stream().limit(3).toList(),
                    missing - found[0]));
      }
      backoff.pause();
    }
  }

  /** Returns whether the event completes a fact, in the version that state knows. */
  private boolean fill(UserFacts user, EventRow event) {
    for (ExperimentFacts facts : user.experiments()) {
      if (facts.experimentId == event.experimentId()) {
        return fill(facts.events, event);
      }
    }
    return false;
  }

  private boolean fill(EventFacts events, EventRow event) {
    int index = events.indexOf(event.id(), event.occurredAt());
    if (index < 0 || events.content(index) != EventContent.of(event)) {
      return false;
    }
    boolean wasIncomplete = false;
    for (MetricChange.Wanted wanted : change.wanted()) {
      if (wanted.includes(event.eventType(), event.occurredAt())) {
        events.setValue(
            index, wanted.property(), PropertyValue.of(event.properties(), wanted.property()));
        wasIncomplete = true;
      }
    }
    return wasIncomplete;
  }
}
