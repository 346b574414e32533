package io.experimentetl.attribution;

import io.experimentetl.clickhouse.Backoff;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.PropertyValue;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Counts users by other metrics than before: values that their facts lack are read from the raw
 * rows, and the differences of the days are sent. It is done before the first checkpoint, whole: a
 * start that fails in its middle begins again at the savepoint.
 */
final class Recount {
  private final CatalogueChange change;
  private final Dimensions dimensions;
  private final RawEvents rows;
  private final WarehouseFacts settledFacts;
  private final Duration patience;
  private final AttributionOutput out;

  /**
   * A recount of some users.
   *
   * @param settledFacts with the values of the properties that either of the catalogues names
   * @param patience how long rows that the savepoint's job has sent may need to become visible
   */
  Recount(
      CatalogueChange change,
      Dimensions dimensions,
      RawEvents rows,
      WarehouseFacts settledFacts,
      Duration patience,
      AttributionOutput out) {
    this.change = change;
    this.dimensions = dimensions;
    this.rows = rows;
    this.settledFacts = settledFacts;
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
      if (lacks(user) > 0) {
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
    recountSettled(users);
    return new ArrayList<>(lacking.values());
  }

  private void sendDifference(ExperimentFacts facts) {
    Contributions.sendDaily(
        Contributions.of(facts, dimensions, change.before()).daily(),
        Contributions.of(facts, dimensions, change.after()).daily(),
        dimensions.clockOf(dimensions.experiment(facts.experimentId)),
        out);
  }

  /** They are read to be counted, and stay settled: none of them changes. */
  private void recountSettled(List<UserFacts> users) throws IOException {
    Map<String, List<SettledExperiment>> marks = new HashMap<>();
    for (UserFacts user : users) {
      List<SettledExperiment> known = user.settled().stream().filter(mark -> !mark.lost()).toList();
      if (!known.isEmpty()) {
        marks.put(user.userId, known);
      }
    }
    settledFacts.readAhead(marks);
    for (Map.Entry<String, List<SettledExperiment>> of : marks.entrySet()) {
      for (SettledExperiment mark : of.getValue()) {
        ExperimentFacts facts = settledFacts.bringBack(of.getKey(), mark);
        if (facts == null) {
          throw new IOException(
              "To recount %s, the settled facts of user %s in experiment %d are read from events_processed and assignments_processed, and they are not there as they settled: ClickHouse's retention has removed rows of them. Start with the metrics of the savepoint, or let ./etl resync count what is there"
                  .formatted(change.recounted(), of.getKey(), mark.experimentId()));
        }
        sendDifference(facts);
      }
    }
  }

  private int lacks(UserFacts user) {
    int lacks = 0;
    for (ExperimentFacts facts : user.experiments()) {
      for (int i = 0; i < facts.size(); i++) {
        if (change.wants(facts.eventType(i), facts.occurredAt(i))) {
          lacks++;
        }
      }
    }
    return lacks;
  }

  private void fill(Map<String, UserFacts> users) throws IOException, InterruptedException {
    int lacks = users.values().stream().mapToInt(this::lacks).sum();
    Set<String> types = new LinkedHashSet<>();
    long from = Long.MAX_VALUE;
    for (CatalogueChange.Wanted wanted : change.wanted()) {
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
      if (found[0] == lacks) {
        return;
      }
      if (backoff.isOver()) {
        throw new IOException(
            "To recount %s, %d events of the users %s … are read from events_processed, and %d of them are not there as the savepoint knows them. Where ClickHouse's retention has removed them, choose a later day; else ./etl resync reads everything again"
                .formatted(
                    change.recounted(),
                    lacks,
                    users.keySet().stream().limit(3).toList(),
                    lacks - found[0]));
      }
      backoff.pause();
    }
  }

  /** Whether it is one of those that are lacking, in the version that state knows. */
  private boolean fill(UserFacts user, EventRow event) {
    for (ExperimentFacts facts : user.experiments()) {
      if (facts.experimentId == event.experimentId()) {
        int at = facts.indexOf(UUID.fromString(event.id()), event.occurredAt());
        if (at < 0 || facts.content(at) != EventContent.of(event)) {
          return false;
        }
        boolean lacked = false;
        for (CatalogueChange.Wanted wanted : change.wanted()) {
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
