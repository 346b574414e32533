package io.experimentetl.platform.demo;

import io.experimentetl.platform.PlatformException;
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
