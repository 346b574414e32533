package io.experimentetl.cdc;

import java.util.concurrent.ScheduledThreadPoolExecutor;

/** Threads for the work that an operator does beside its stream. */
final class DaemonTimer {
  private DaemonTimer() {}

  /** One thread of this name, which does not keep the process alive. */
  static ScheduledThreadPoolExecutor named(String name) {
    return new ScheduledThreadPoolExecutor(
        1,
        task -> {
          Thread thread = new Thread(task, name);
          thread.setDaemon(true);
          return thread;
        });
  }
}
