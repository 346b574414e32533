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
  private final UserStatistics statistics;
  private final RawEvents rows;
  private final WarehouseFacts evictedFacts;
  private final Duration patience;
  private final AttributionOutput out;
  private final SharedFacts shared;

  /**
   * A restatement that has not begun.
   *
   * @param statistics by the present settings
   * @param evictedFacts with the values of the properties that the metrics before or after name
   * @param patience how long rows that the savepoint's job has sent may need to become visible
   */
  MetricRestatement(
      MetricChange change,
      Dimensions dimensions,
      UserStatistics statistics,
      RawEvents rows,
      WarehouseFacts evictedFacts,
      Duration patience,
      AttributionOutput out,
      SharedFacts shared) {
    this.shared = shared;
    this.change = change;
    this.dimensions = dimensions;
    this.statistics = statistics;
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
        users.add(UserFacts.read(store, key));
      }
      apply(users);
    }
  }

  /**
   * Restates users, whose facts then hold all values, and writes them to state.
   *
   * @throws IOException the warehouse can't be read, or misses a row of a fact
   */
  void apply(List<UserFacts> users) throws IOException, InterruptedException {
    List<UserFacts> incomplete = users.stream().filter(user -> missing(user) > 0).toList();
    if (!incomplete.isEmpty()) {
      fill(incomplete);
    }
    for (UserFacts user : users) {
      for (ExperimentFacts facts : user.experiments()) {
        facts.mustRestate = true;
        statistics.settle(user, facts);
      }
      user.flush();
    }
    restateEvicted(users);
  }

  private void sendDifference(UserFacts user, ExperimentFacts facts, Dimensions by) {
    EventFacts beside = shared.of(user);
    ExperimentCalendar calendar = by.calendarOf(by.experiment(facts.experimentId));
    new FigureDifferences(user.key, facts, calendar, change.before(), null)
        .replace(Contributions.of(facts, beside, by, change.before()));
    new FigureDifferences(user.key, facts, calendar, change.after(), out)
        .replace(Contributions.of(facts, beside, by, change.after()));
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
    for (UserFacts user : users) {
      for (EvictionSummary summary : user.evicted()) {
        if (!summary.lost()) {
          String userId = Rehydration.idOf(user, summary);
          ExperimentFacts facts = evictedFacts.rehydrate(userId, summary);
          if (facts == null) {
            throw new IOException(
                "To restate %s, the evicted facts of user %s in experiment %d are read from events_processed and assignments_processed, and some of their rows are missing there: ClickHouse's retention has removed them. Start with the metrics of the savepoint, or let ./etl resync count the rows that exist"
                    .formatted(change.restated(), userId, summary.experimentId()));
          }
          sendDifference(
              user, facts, dimensions.former(summary.experimentId(), summary.countedBy()));
        }
      }
    }
  }

  private int missing(UserFacts user) {
    int[] missing = {0};
    for (ExperimentFacts facts : user.experiments()) {
      facts.events.forEach(
          event ->
              missing[0] +=
                  change.wants(event.eventType(), event.fact(), event.occurredAt()) ? 1 : 0);
    }
    return missing[0];
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
      types.add(wanted.term().eventType());
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
    ExperimentFacts facts = user.findIn(event.experimentId());
    return facts != null && fill(facts.events, event);
  }

  private boolean fill(EventFacts events, EventRow event) {
    EventFact fact = events.find(event.id(), event.occurredAt());
    if (fact == null || fact.content() != EventContent.of(event)) {
      return false;
    }
    boolean wasIncomplete = false;
    for (MetricChange.Wanted wanted : change.wanted()) {
      if (wanted.includes(event.eventType(), event.fact(), event.occurredAt())) {
        fact =
            fact.withValue(
                wanted.term().property(),
                PropertyValue.of(event.properties(), wanted.term().property()));
        wasIncomplete = true;
      }
    }
    if (wasIncomplete) {
      events.put(fact);
    }
    return wasIncomplete;
  }
}
