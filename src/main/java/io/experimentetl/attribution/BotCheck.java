package io.experimentetl.attribution;

import static io.experimentetl.model.FindingCode.H_BOT;

import io.experimentetl.model.EventRow;
import java.time.LocalDate;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reports a user with more events of an experiment on a day than a person makes, once per day.
 * Events that name no experiment are not counted.
 */
final class BotCheck {
  private final int maxEventsPerDay;
  private final Dimensions dimensions;
  private final UserFindings findings;
  private final SharedFacts shared;

  BotCheck(int maxEventsPerDay, Dimensions dimensions, UserFindings findings, SharedFacts shared) {
    this.shared = shared;
    this.maxEventsPerDay = maxEventsPerDay;
    this.dimensions = dimensions;
    this.findings = findings;
  }

  /** Reports the user, whose id has changed, if a day of the facts has too many events. */
  void checkAll(UserFacts user, ExperimentFacts facts, Origin origin) {
    if (facts.events.size() <= maxEventsPerDay || shared.include(facts.experimentId)) {
      return;
    }
    countByDay(facts)
        .forEach(
            (day, count) -> {
              if (count > maxEventsPerDay) {
                report(user, facts.experimentId, day, origin);
              }
            });
  }

  private Map<Integer, Long> countByDay(ExperimentFacts facts) {
    Map<Integer, Long> eventsByDay = new TreeMap<>();
    facts.events.forEach(
        event -> eventsByDay.merge(dayOf(facts, event.occurredAt()), 1L, Long::sum));
    return eventsByDay;
  }

  private int dayOf(ExperimentFacts facts, long occurredAt) {
    return dimensions.calendarOf(dimensions.experiment(facts.experimentId)).dayOf(occurredAt);
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
    if (facts.events.size() <= maxEventsPerDay || shared.include(facts.experimentId)) {
      facts.daysCounted = false;
      return;
    }
    int day = dayOf(facts, event.occurredAt());
    if (facts.daysCounted) {
      count(facts, day, 1);
    } else {
      facts
          .figures
          .all()
          .keySet()
          .forEach(
              figure -> {
                if (figure.isOfEvents()) {
                  facts.figures.set(figure, null);
                }
              });
      countByDay(facts).forEach((of, count) -> facts.figures.set(FigureKey.ofEvents(of), count));
      facts.daysCounted = true;
    }
    // With this event the limit is passed; later ones of the day are not reported.
    if (facts.figures.events(day) == maxEventsPerDay + 1L) {
      report(user, event.experimentId(), day, origin);
    }
  }

  /** Takes a removed event out of the number of its day. */
  void removed(ExperimentFacts facts, EventRow event) {
    if (facts.daysCounted) {
      count(facts, dayOf(facts, event.occurredAt()), -1);
    }
  }

  private static void count(ExperimentFacts facts, int day, int difference) {
    long count = facts.figures.events(day) + difference;
    facts.figures.set(FigureKey.ofEvents(day), count == 0 ? null : count);
  }
}
