package io.experimentetl.attribution;

import io.experimentetl.model.AllocationPhase;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.HealthKey;

/**
 * The key of one figure among those that a user adds to an experiment's statistics.
 *
 * @param kind of the figure
 * @param name what it is about: a metric, or the number of a phase of the allocation
 * @param day days since 1970 in the experiment's zone; 0 where the figure is of no day
 */
record FigureKey(char kind, String name, long variantId, int day) {
  private static final char DAILY = 'd';
  private static final char HEALTH = 'h';
  private static final char TOTAL = 't';
  private static final char EVENTS = 'e';
  private static final String UNKNOWN_PHASE = Integer.toString(AllocationPhase.UNKNOWN);

  static FigureKey of(DailyKey key) {
    return ofDay(key.metric(), key.variantId(), key.dayEpoch());
  }

  /** The user's figures of a metric on a day. */
  static FigureKey ofDay(String metric, long variantId, int day) {
    return new FigureKey(DAILY, metric, variantId, day);
  }

  static FigureKey of(HealthKey key) {
    String phase =
        key.phase() == AllocationPhase.UNKNOWN ? UNKNOWN_PHASE : Integer.toString(key.phase());
    return new FigureKey(HEALTH, phase, key.variantId(), key.dayEpoch());
  }

  /** The user's total of a metric over all days. */
  static FigureKey ofTotal(String metric) {
    return new FigureKey(TOTAL, metric, 0, 0);
  }

  /** The number of the user's events on a day. */
  static FigureKey ofEvents(int day) {
    return new FigureKey(EVENTS, "", 0, day);
  }

  /** Written by hand: it is called for every counted event. */
  @Override
  public boolean equals(Object other) {
    return other instanceof FigureKey that
        && kind == that.kind
        && day == that.day
        && variantId == that.variantId
        && name.equals(that.name);
  }

  @Override
  public int hashCode() {
    return ((Long.hashCode(variantId) * 31 + day) * 31 + kind) * 31 + name.hashCode();
  }

  boolean isDaily() {
    return kind == DAILY;
  }

  boolean isHealth() {
    return kind == HEALTH;
  }

  boolean isTotal() {
    return kind == TOTAL;
  }

  boolean isOfEvents() {
    return kind == EVENTS;
  }

  DailyKey daily(long experimentId) {
    return new DailyKey(experimentId, variantId, name, day);
  }

  HealthKey health(long experimentId) {
    return new HealthKey(experimentId, variantId, day, Integer.parseInt(name));
  }
}
