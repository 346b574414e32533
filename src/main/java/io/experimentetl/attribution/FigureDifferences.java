package io.experimentetl.attribution;

import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.HealthCounts;
import io.experimentetl.model.HealthKey;
import java.util.HashMap;
import java.util.Map;

/** Changes one user's figures in one experiment, and sends the differences. */
final class FigureDifferences {
  private final String userKey;
  private final long experimentId;
  private final Figures figures;
  private final ExperimentCalendar calendar;
  private final StatisticsConfig statistics;

  /** Null: nothing is sent. */
  private final AttributionOutput out;

  /**
   * Changes to come.
   *
   * @param out null: nothing is sent
   */
  FigureDifferences(
      String userKey,
      ExperimentFacts facts,
      ExperimentCalendar calendar,
      StatisticsConfig statistics,
      AttributionOutput out) {
    this.userKey = userKey;
    this.experimentId = facts.experimentId;
    this.figures = facts.figures;
    this.calendar = calendar;
    this.statistics = statistics;
    this.out = out;
  }

  /**
   * Changes the figures of a day.
   *
   * @param figure of the key
   * @param now the figures with the difference
   * @param dayEndsAt milliseconds since 1970 in UTC, exclusive
   */
  void add(FigureKey figure, DailyKey key, DailySums now, DailySums difference, long dayEndsAt) {
    figures.set(figure, now);
    sendDaily(key, difference, dayEndsAt);
  }

  void add(HealthKey key, HealthCounts difference) {
    FigureKey figure = FigureKey.of(key);
    figures.set(figure, figures.health(figure).plus(difference));
    sendHealth(key, difference);
  }

  private void sendDaily(DailyKey key, DailySums difference, long dayEndsAt) {
    if (out != null) {
      out.dailyDifference(userKey, key, difference, dayEndsAt);
    }
  }

  private void sendHealth(HealthKey key, HealthCounts difference) {
    if (out != null) {
      out.healthDifference(key, difference);
    }
  }

  /** Replaces all figures, and sends what differs. The days of ended metrics stay as they were. */
  void replace(Contributions now) {
    Map<FigureKey, Object> before = figures.all();
    Map<FigureKey, Object> after = new HashMap<>();
    now.daily().forEach((key, sums) -> after.put(FigureKey.of(key), sums));
    now.health().forEach((key, counts) -> after.put(FigureKey.of(key), counts));
    addTotals(now, after);
    before.forEach(
        (figure, value) -> {
          if (after.get(figure) == null && !figure.isOfEvents()) {
            figures.set(figure, null);
            if (figure.isHealth()) {
              sendHealth(figure.health(experimentId), ((HealthCounts) value).negate());
            } else if (figure.isDaily() && isCounted(figure.name())) {
              send(figure, ((DailySums) value).negate());
            }
          }
        });
    after.forEach(
        (figure, value) -> {
          Object old = before.get(figure);
          if (!value.equals(old)) {
            figures.set(figure, value);
            if (value instanceof DailySums sums) {
              send(figure, old == null ? sums : sums.plus(((DailySums) old).negate()));
            } else if (value instanceof HealthCounts counts) {
              sendHealth(
                  figure.health(experimentId),
                  old == null ? counts : counts.plus(((HealthCounts) old).negate()));
            }
          }
        });
  }

  /** Whether the metric has not ended. */
  private boolean isCounted(String name) {
    for (MetricConfig metric : statistics.metrics()) {
      if (metric.name().equals(name)) {
        return true;
      }
    }
    return false;
  }

  private void send(FigureKey figure, DailySums difference) {
    sendDaily(figure.daily(experimentId), difference, calendar.endOf(figure.day()));
  }

  private static void addTotals(Contributions now, Map<FigureKey, Object> figures) {
    now.daily()
        .forEach(
            (key, sums) ->
                figures.merge(
                    FigureKey.ofTotal(key.metric()),
                    MetricTotal.ZERO.plus(sums, key.dayEpoch()),
                    (a, b) -> ((MetricTotal) a).plus((MetricTotal) b)));
    figures.values().removeIf(MetricTotal.ZERO::equals);
  }
}
