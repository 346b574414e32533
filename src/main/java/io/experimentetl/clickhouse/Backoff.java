package io.experimentetl.clickhouse;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Growing pauses between retries, up to a deadline. */
public final class Backoff {
  private static final long FIRST_PAUSE_MILLIS = 100;
  private static final long LONGEST_PAUSE_MILLIS = 5_000;

  private final long deadline;
  private long pause = FIRST_PAUSE_MILLIS;

  /** Starts the time. */
  public Backoff(Duration timeout) {
    this.deadline = System.nanoTime() + timeout.toNanos();
  }

  /** Whether one more pause would end after the deadline. */
  public boolean isOver() {
    return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(pause) > deadline;
  }

  /** The length of the next pause. */
  long pauseMillis() {
    return pause;
  }

  public void pause() throws InterruptedException {
    TimeUnit.MILLISECONDS.sleep(pause);
    pause = Math.min(LONGEST_PAUSE_MILLIS, 2 * pause);
  }
}
