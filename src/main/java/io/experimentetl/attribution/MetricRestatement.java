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
 * Counts users by other metrics than before: values that their facts lack are read from the raw
 * rows, and the differences of the days are sent. It is done before the first checkpoint, whole: a
 * start that fails in its middle begins again at the savepoint.
 */
final class MetricRestatement {
  private final MetricChange change;
  private final Dimensions dimensions;
  private final RawEvents rows;
  private final WarehouseFacts evictedFacts;
  private final Duration patience;
  private final AttributionOutput out;

  /**
   * A recount of some users.
   *
   * @param evictedFacts with the values of the properties that either of the catalogues names
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

  /**
   * Recounts the users, whose facts then hold all values.
   *
   * @return those whose facts were changed
   * @throws IOException the warehouse can't be read, or lacks a row that it should have
   */
  List<UserFacts> apply(List<UserFacts> users) throws IOException, InterruptedException {
    Map<String, UserFacts> lacking = new HashMap<>();
    for (UserFacts user : users) {
      if (unresolved(user) > 0) {
        lacking.put(user.userId, user);
      }
    }
    if (!lacking.isEmpty()) {
      fill(lacking);
    }
    for (UserFacts user : users) {
      for (ExperimentFacts facts : user.experiments()) {
        sendDifference(facts);
      }
    }
    restateEvicted(users);
    return new ArrayList<>(lacking.values());
  }

  private void sendDifference(ExperimentFacts facts) {
    Contributions.sendDaily(
        Contributions.of(facts, dimensions, change.before()).daily(),
        Contributions.of(facts, dimensions, change.after()).daily(),
        dimensions.calendarOf(dimensions.experiment(facts.experimentId)),
        out);
  }

  /** They are read to be counted, and stay settled: none of them changes. */
  private void restateEvicted(List<UserFacts> users) throws IOException {
    Map<String, List<EvictionSummary>> marks = new HashMap<>();
    for (UserFacts user : users) {
      List<EvictionSummary> known =
          user.evicted().stream().filter(summary -> !summary.lost()).toList();
      if (!known.isEmpty()) {
        marks.put(user.userId, known);
      }
    }
    evictedFacts.readAhead(marks);
    for (Map.Entry<String, List<EvictionSummary>> of : marks.entrySet()) {
      for (EvictionSummary summary : of.getValue()) {
        ExperimentFacts facts = evictedFacts.rehydrate(of.getKey(), summary);
        if (facts == null) {
          throw new IOException(
              "To recount %s, the settled facts of user %s in experiment %d are read from events_processed and assignments_processed, and they are not there as they settled: ClickHouse's retention has removed rows of them. Start with the metrics of the savepoint, or let ./etl resync count what is there"
                  .formatted(change.restated(), of.getKey(), summary.experimentId()));
        }
        sendDifference(facts);
      }
    }
  }

  private int unresolved(UserFacts user) {
    int unresolved = 0;
    for (ExperimentFacts facts : user.experiments()) {
      for (int i = 0; i < facts.size(); i++) {
        if (change.wants(facts.eventType(i), facts.occurredAt(i))) {
          unresolved++;
        }
      }
    }
    return unresolved;
  }

  private void fill(Map<String, UserFacts> users) throws IOException, InterruptedException {
    int unresolved = users.values().stream().mapToInt(this::unresolved).sum();
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
          users.keySet(),
          types,
          from,
          event -> {
            if (fill(users.get(event.userId()), event)) {
              found[0]++;
            }
          });
      if (found[0] == unresolved) {
        return;
      }
      if (backoff.isOver()) {
        throw new IOException(
            "To recount %s, %d events of the users %s … are read from events_processed, and %d of them are not there as the savepoint knows them. Where ClickHouse's retention has removed them, choose a later day; else ./etl resync reads everything again"
                .formatted(
                    change.restated(),
                    unresolved,
                    users.keySet().stream().limit(3).toList(),
                    unresolved - found[0]));
      }
      backoff.pause();
    }
  }

  /** Whether it is one of those that are lacking, in the version that state knows. */
  private boolean fill(UserFacts user, EventRow event) {
    for (ExperimentFacts facts : user.experiments()) {
      if (facts.experimentId == event.experimentId()) {
        int at = facts.indexOf(event.id(), event.occurredAt());
        if (at < 0 || facts.content(at) != EventContent.of(event)) {
          return false;
        }
        boolean lacked = false;
        for (MetricChange.Wanted wanted : change.wanted()) {
          if (wanted.holds(event.eventType(), event.occurredAt())) {
            facts.setValue(
                at, wanted.property(), PropertyValue.of(event.properties(), wanted.property()));
            lacked = true;
          }
        }
        return lacked;
      }
    }
    return false;
  }
}
