package io.experimentetl.attribution;

import io.experimentetl.model.DailyKey;
import io.experimentetl.model.HealthKey;

/**
 * The key of one figure among those that a user adds to an experiment's statistics.
 *
 * @param name the kind of the figure, as a letter, and what it is about
 * @param day days since 1970 in the experiment's zone; 0 where the figure is of no day
 */
record FigureKey(String name, long variantId, int day) {
  private static final char DAILY = 'd';
  private static final char HEALTH = 'h';
  private static final char TOTAL = 't';
  private static final char EVENTS = 'e';

  static FigureKey of(DailyKey key) {
    return new FigureKey(DAILY + key.metric(), key.variantId(), key.dayEpoch());
  }

  static FigureKey of(HealthKey key) {
    return new FigureKey(HEALTH + Integer.toString(key.phase()), key.variantId(), key.dayEpoch());
  }

  /** The user's total of a metric over all days. */
  static FigureKey ofTotal(String metric) {
    return new FigureKey(TOTAL + metric, 0, 0);
  }

  /** The number of the user's events on a day. */
  static FigureKey ofEvents(int day) {
    return new FigureKey(String.valueOf(EVENTS), 0, day);
  }

  /** Written by hand: it is called for every counted event. */
  @Override
  public boolean equals(Object other) {
    return other instanceof FigureKey that
        && day == that.day
        && variantId == that.variantId
        && name.equals(that.name);
  }

  @Override
  public int hashCode() {
    return (Long.hashCode(variantId) * 31 + day) * 31 + name.hashCode();
  }

  boolean isDaily() {
    return name.charAt(0) == DAILY;
  }

  boolean isHealth() {
    return name.charAt(0) == HEALTH;
  }

  boolean isTotal() {
    return name.charAt(0) == TOTAL;
  }

  boolean isOfEvents() {
    return name.charAt(0) == EVENTS;
  }

  DailyKey daily(long experimentId) {
    return new DailyKey(experimentId, variantId, name.substring(1), day);
  }

  HealthKey health(long experimentId) {
    return new HealthKey(experimentId, variantId, day, Integer.parseInt(name.substring(1)));
  }
}
