package io.experimentetl.faults;

import java.time.Duration;

/**
 * The condition of the network, for all connections, including open ones.
 *
 * @param refusing new connections are reset at once
 * @param stalled no data passes; connections stay open
 * @param delay added to each piece of data
 * @param bytesPerSecond limit per connection and direction; 0: no limit
 */
public record Condition(boolean refusing, boolean stalled, Duration delay, long bytesPerSecond) {

  /** All data passes at once. */
  public static final Condition GOOD = new Condition(false, false, Duration.ZERO, 0);

  /** New connections are reset; open ones continue. */
  public static final Condition REFUSING = new Condition(true, false, Duration.ZERO, 0);

  /** No data passes. */
  public static final Condition STALLED = new Condition(false, true, Duration.ZERO, 0);

  /** Each piece of data is delayed. */
  public static Condition delayedBy(Duration delay) {
    return new Condition(false, false, delay, 0);
  }

  /** Limits the bytes per second of each connection and direction. */
  public static Condition throttledTo(long bytesPerSecond) {
    return new Condition(false, false, Duration.ZERO, bytesPerSecond);
  }
}
