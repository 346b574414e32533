package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.quality.EventChecks;

/** One user's facts in one experiment, collected from rows of the warehouse. */
final class FactsRead {
  final ExperimentFacts facts;

  /**
   * Greater than the number of facts if two rows of one key differ: then the facts are ambiguous.
   */
  private int rows;

  FactsRead(long experimentId) {
    facts = new ExperimentFacts(experimentId);
  }

  void add(EventRow event, EventChecks checks) {
    rows++;
    if (facts.events.find(event.id(), event.occurredAt()) == null) {
      facts.events.put(EventFact.of(event, checks));
    }
  }

  void add(AssignmentRow assignment, long sequence) {
    rows++;
    facts.put(assignment, sequence);
  }

  boolean isUnambiguous() {
    return rows == facts.events.size() + facts.assignments().size();
  }

  /** Whether these are the facts that the summary was made of. */
  boolean isOf(EvictionSummary summary) {
    return isUnambiguous()
        && facts.events.size() == summary.events()
        && facts.assignments().size() == summary.assignments()
        && facts.checksum() == summary.checksum();
  }
}
