package io.experimentetl.platform;

import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The process behind {@code ./etl up}: the servers' parent, until SIGTERM. */
@Command(name = SuperviseCommand.NAME, hidden = true)
final class SuperviseCommand implements Callable<Integer> {
  static final String NAME = "supervise";

  @Mixin Etl.Place place;
  @Mixin PlatformOptions options;

  @Override
  public Integer call() throws InterruptedException {
    Platform.start(place.directory(), place.home(), options);
    // The JVM's end, which SIGTERM brings, stops the platform.
    new CountDownLatch(1).await();
    return 0;
  }
}
