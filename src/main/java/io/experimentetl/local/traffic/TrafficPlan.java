package io.experimentetl.local.traffic;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.function.LongFunction;
import java.util.stream.IntStream;

/**
 * The plan of a generator. The same plan makes the same rows if its end is given.
 *
 * @param seed also the first part of every user's id: plans with different seeds share no user
 * @param lanes parallel writers, each with users of its own
 * @param events event rows to insert, over all lanes, duplicates included; {@link #ENDLESS}: until
 *     stopped
 * @param eventsPerSecond over all lanes; infinite: as fast as the database takes them
 * @param from time of the first event
 * @param until time of the last event of a bounded plan
 */
public record TrafficPlan(
    long seed, int lanes, long events, double eventsPerSecond, Instant from, Instant until) {
  public static final long ENDLESS = Long.MAX_VALUE;

  /** Metrics of every kind for the generated events, as a value of statistics.metrics. */
  public static final String METRICS =
      "[{name: conversion, kind: proportion, event-type: conversion, covariate: 7d},"
          + " {name: revenue, kind: mean, event-type: purchase, property: revenue},"
          + " {name: revenue_capped, kind: mean, event-type: purchase, property: revenue, cap: 60.5, covariate: 7d},"
          + " {name: conversions_of_a_day, kind: count, event-type: conversion, delay: 1m, window: 1d, cap: 2, covariate: 1d},"
          + " {name: item_price, kind: ratio, event-type: purchase, property: revenue,"
          + " denominator: {event-type: purchase, property: items}},"
          + " {name: purchases_per_conversion, kind: ratio, event-type: purchase, window: 2d, cap: 3,"
          + " denominator: {event-type: conversion}},"
          // Without a covariate: only such a metric has events that must not come before exposure.
          + " {name: page_views, kind: count, event-type: page_view}]";

  /** A visit is sent when it is over: its last events must not be in the future. */
  private static final Duration VISIT = Duration.ofMinutes(25);

  /** Shorter than the default lateness, so that only intended events are late. */
  private static final Duration SPAN = Duration.ofHours(60);

  /** A plan without a rate limit; the events' times are spread over the last 60 hours. */
  public static TrafficPlan bounded(long seed, long events, Instant now) {
    return new TrafficPlan(seed, 4, events, Double.POSITIVE_INFINITY, now.minus(SPAN), now);
  }

  /** A plan that runs until stopped; a visit is written when it is over. */
  public static TrafficPlan continuous(long seed, double eventsPerSecond, Instant now) {
    return new TrafficPlan(seed, 4, ENDLESS, eventsPerSecond, now, now);
  }

  Load load(InstantSource clock) {
    return new Load(
        from.minus(Duration.ofDays(8)),
        until.plus(Duration.ofDays(40)),
        TrafficCatalogue.writes(until),
        IntStream.range(0, lanes).<Lane>mapToObj(i -> new TrafficLane(this, i, clock)).toList(),
        eventsPerSecond);
  }

  long eventsOf(int lane) {
    return events == ENDLESS ? ENDLESS : events / lanes + (lane < events % lanes ? 1 : 0);
  }

  /** The time at which a lane's n-th event happens; the clock serves an endless plan. */
  LongFunction<Instant> times(int lane, InstantSource clock) {
    if (events == ENDLESS) {
      return n -> clock.instant().minus(VISIT);
    }
    long quota = Math.max(1, eventsOf(lane));
    long micros = Duration.between(from, until).toNanos() / 1_000;
    return n -> from.plusNanos(Math.round((double) micros * n / quota) * 1_000);
  }
}
