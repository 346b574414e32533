package io.experimentetl.faults;

import java.time.Duration;

/**
 * The state of the line, for all connections, open ones included.
 *
 * @param refusing new connections are reset as soon as they are made
 * @param stalled nothing passes; connections stay open
 * @param delay by which each piece of data comes later
 * @param bytesPerSecond that pass per connection and direction; 0: no limit
 */
public record Condition(boolean refusing, boolean stalled, Duration delay, long bytesPerSecond) {

  /** Everything passes at once. */
  public static final Condition GOOD = new Condition(false, false, Duration.ZERO, 0);

  /** New connections are reset; open ones go on. */
  public static final Condition REFUSING = new Condition(true, false, Duration.ZERO, 0);

  /** Nothing passes. */
  public static final Condition STALLED = new Condition(false, true, Duration.ZERO, 0);

  /** Each piece of data comes so much later. */
  public static Condition delayedBy(Duration delay) {
    return new Condition(false, false, delay, 0);
  }

  /** So many bytes a second pass per connection and direction. */
  public static Condition throttledTo(long bytesPerSecond) {
    return new Condition(false, false, Duration.ZERO, bytesPerSecond);
  }
}
