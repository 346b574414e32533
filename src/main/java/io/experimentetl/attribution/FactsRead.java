package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.PropertyValue;

/** One user's facts in one experiment, as rows of the warehouse bring them. */
final class FactsRead {
  final ExperimentFacts facts;

  /** More than there are facts: two rows of one key differ, and nobody can say which one stands. */
  private int rows;

  FactsRead(long experimentId) {
    facts = new ExperimentFacts(experimentId);
  }

  void add(EventRow event, EventChecks checks) {
    rows++;
    EventId id = event.id();
    if (facts.indexOf(id, event.occurredAt()) >= 0) {
      return;
    }
    facts.add(id, event.occurredAt(), event.variantId(), event.eventType(), EventContent.of(event));
    for (String property : checks.properties(event.eventType())) {
      facts.setValue(facts.size() - 1, property, PropertyValue.of(event.properties(), property));
    }
  }

  void add(AssignmentRow assignment) {
    rows++;
    facts.put(assignment);
  }

  boolean isUnambiguous() {
    return rows == facts.size() + facts.assignments.size();
  }

  /** Whether these are the facts that the mark was left for. */
  boolean isOf(EvictionSummary summary) {
    return isUnambiguous()
        && facts.size() == summary.events()
        && facts.assignments.size() == summary.assignments()
        && facts.checksum() == summary.checksum();
  }
}
