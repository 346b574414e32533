package io.experimentetl.local.demo;

import io.experimentetl.local.PlatformException;
import java.time.Duration;

/** Between two looks at a server. */
public final class Pause {
  private Pause() {}

  public static void of(Duration duration) {
    try {
      Thread.sleep(duration.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted", e);
    }
  }
}
