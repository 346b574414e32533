package io.experimentetl.attribution;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.quality.EventChecks;
import java.util.Set;

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

  /**
   * Adds an event.
   *
   * @param found codes that its row carries: what facts do not show is noted again
   */
  void add(EventRow event, EventChecks checks, Set<FindingCode> found) {
    rows++;
    if (facts.events.find(event.id(), event.occurredAt()) == null) {
      facts.events.put(
          EventFact.of(event, checks).withMark(FactMark.withFound(FactMark.NONE, found)));
    }
  }

  /** Adds an assignment; see {@link #add(EventRow, EventChecks, Set)}. */
  void add(AssignmentRow assignment, long sequence, Set<FindingCode> found) {
    rows++;
    facts.put(assignment, sequence);
    facts.setAssignmentMark(assignment.id(), FactMark.withFound(FactMark.NONE, found));
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
