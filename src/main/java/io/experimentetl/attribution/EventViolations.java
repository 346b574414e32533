package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.D_CONFLICTING_DUP;
import static io.experimentetl.model.FindingCode.D_DUP_EVENT;
import static io.experimentetl.model.FindingCode.T_FUTURE;

import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.quality.EventChecks;
import io.experimentetl.quality.EventReferences;
import java.util.EnumSet;

/** The violations of delivered events: what their rows show, what their facts show, and marks. */
final class EventViolations {
  private final EventChecks checks;
  private final ReferenceLookup references;

  EventViolations(EventChecks checks, ReferenceLookup references) {
    this.checks = checks;
    this.references = references;
  }

  /**
   * The violations of a delivered event.
   *
   * @param origin of its row
   * @param arrivesNow whether it may be late
   */
  EnumSet<FindingCode> of(
      ExperimentFacts facts,
      EventRow event,
      EventReferences known,
      long[] values,
      Origin origin,
      boolean arrivesNow) {
    EnumSet<FindingCode> violations =
        checks.violations(event, known, values, origin.committedAt(), arrivesNow);
    EventFact[] sameId = facts.events.withId(event.id());
    // Among the events of one id, all but the first one are repetitions.
    for (int i = 1; i < sameId.length; i++) {
      if (sameId[i].occurredAt() == event.occurredAt()) {
        violations.add(repetition(sameId[0].content(), sameId[i].content()));
      }
    }
    return violations;
  }

  /** What an event is whose id an earlier one has; both by their {@link EventContent}. */
  static FindingCode repetition(long content, long later) {
    return EventContent.isRepetition(content, later) ? D_DUP_EVENT : D_CONFLICTING_DUP;
  }

  /**
   * The violations of a delivered event that a correction resolves and that the facts show; its
   * mark has the others. Call it before the facts change.
   */
  EnumSet<FindingCode> shown(UserFacts user, ExperimentFacts facts, EventFact delivered) {
    EventRow event = facts.eventRow(delivered, user.userId);
    String[] properties = checks.properties(event);
    long[] values = new long[properties.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = delivered.countedValue(properties[i]);
    }
    // Its mark says whether it was in the future.
    Origin never = new Origin(0, event.occurredAt(), 0, 0);
    return CorrectedFindings.resolvable(
        of(facts, event, references.of(user, facts, event), values, never, false));
  }

  /** All violations of a delivered event that a correction resolves. */
  EnumSet<FindingCode> all(UserFacts user, ExperimentFacts facts, EventFact delivered) {
    EnumSet<FindingCode> all = shown(user, facts, delivered);
    all.addAll(FactMark.found(delivered.mark()));
    return all;
  }

  /**
   * Whether the row was found in the future and would not be now. Then the other half of the update
   * does not find it there, whoever's event it is now.
   */
  boolean isPastFuture(EventFact delivered, Origin origin) {
    return FactMark.found(delivered.mark()).contains(T_FUTURE)
        && !checks.isInFuture(delivered.occurredAt(), origin.committedAt());
  }
}
