package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.H_BOT;

import io.experimentetl.model.EventRow;
import java.time.LocalDate;
import java.util.Map;
import java.util.TreeMap;

/** Reports a user with more events on a day than a person makes, once per day. */
final class BotCheck {
  private final int maxEventsPerDay;
  private final Dimensions dimensions;
  private final UserFindings findings;

  BotCheck(int maxEventsPerDay, Dimensions dimensions, UserFindings findings) {
    this.maxEventsPerDay = maxEventsPerDay;
    this.dimensions = dimensions;
    this.findings = findings;
  }

  /** Reports the user, whose id has changed, if a day of the facts has too many events. */
  void checkAll(UserFacts user, ExperimentFacts facts, Origin origin) {
    if (facts.events.size() <= maxEventsPerDay) {
      return;
    }
    ExperimentCalendar calendar = dimensions.calendarOf(dimensions.experiment(facts.experimentId));
    Map<Integer, Integer> eventsByDay = new TreeMap<>();
    for (int i = 0; i < facts.events.size(); i++) {
      eventsByDay.merge(calendar.dayOf(facts.events.occurredAt(i)), 1, Integer::sum);
    }
    eventsByDay.forEach(
        (day, count) -> {
          if (count > maxEventsPerDay) {
            report(user, facts.experimentId, day, origin);
          }
        });
  }

  private void report(UserFacts user, long experimentId, int day, Origin origin) {
    findings.report(
        H_BOT,
        true,
        user,
        experimentId,
        "more than %d events on %s".formatted(maxEventsPerDay, LocalDate.ofEpochDay(day)),
        origin);
  }

  /** Checks the day of an event that is among the facts already. */
  void check(UserFacts user, ExperimentFacts facts, EventRow event, Origin origin) {
    if (facts.events.size() <= maxEventsPerDay) {
      return;
    }
    ExperimentCalendar calendar =
        dimensions.calendarOf(dimensions.experiment(event.experimentId()));
    int day = calendar.dayOf(event.occurredAt());
    int count = 0;
    for (int i = 0; i < facts.events.size(); i++) {
      count += calendar.dayOf(facts.events.occurredAt(i)) == day ? 1 : 0;
    }
    // With this event the limit is passed; later ones of the day are not reported.
    if (count == maxEventsPerDay + 1) {
      report(user, event.experimentId(), day, origin);
    }
  }
}
