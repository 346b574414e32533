package io.experimentetl.mapping;

/**
 * The unit of a number that counts from 1970-01-01 00:00: of UTC, or of the clocks in the binding's
 * zone.
 */
public enum TimeUnit {
  DAYS("d", 86_400_000_000L),
  SECONDS("s", 1_000_000),
  MILLIS("ms", 1_000),
  MICROS("us", 1);

  private final String text;
  private final long micros;

  TimeUnit(String text, long micros) {
    this.text = text;
    this.micros = micros;
  }

  /** The unit in the configuration. */
  public String text() {
    return text;
  }

  /** Microseconds of one unit. */
  public long micros() {
    return micros;
  }
}
