package io.experimentetl.clickhouse;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Growing pauses between tries, up to a deadline. */
public final class Backoff {
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final long LONGEST_PAUSE_MILLIS = 5_000;

  private final long deadline;
  private long pause = FIRST_PAUSE_MILLIS;

  /** The time begins to run. */
  public Backoff(Duration timeToTry) {
    this.deadline = System.nanoTime() + timeToTry.toNanos();
  }

  /** Whether one more pause would end behind the deadline. */
  public boolean isOver() {
    return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(pause) > deadline;
  }

  /** How long the next pause is. */
  long pauseMillis() {
    return pause;
  }

  public void pause() throws InterruptedException {
    TimeUnit.MILLISECONDS.sleep(pause);
    pause = Math.min(LONGEST_PAUSE_MILLIS, 2 * pause);
  }
}
