package io.experimentetl.local;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The process that {@code ./etl up} leaves running: the servers' parent, until SIGTERM. */
@Command(name = SuperviseCommand.NAME, hidden = true)
final class SuperviseCommand implements Callable<Integer> {
  static final String NAME = "supervise";

  @Mixin Place place;
  @Mixin PlatformOptions options;

  @Override
  public Integer call() throws InterruptedException {
    journal("supervisor starts, process " + ProcessHandle.current().pid());
    // SIGTERM ends the JVM, and its shutdown hook stops the platform.
    Platform.start(place.directory(), place.home(), options, SuperviseCommand::journal).watch();
    return 0;
  }

  /** Standard output is supervisor.log. */
  private static void journal(String event) {
    System.out.println(Instant.now().truncatedTo(ChronoUnit.MILLIS) + "  " + event);
  }
}
