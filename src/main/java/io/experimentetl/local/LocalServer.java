package io.experimentetl.local;

import java.time.Duration;

/** A server of one process that this JVM starts, stops, kills and starts again. */
public abstract class LocalServer implements AutoCloseable {
  private final Duration stopDeadline;
  private ServerProcess process;

  /**
   * A server that was not started yet.
   *
   * @param stopDeadline how long an orderly stop may take before the process is killed
   */
  LocalServer(Duration stopDeadline) {
    this.stopDeadline = stopDeadline;
  }

  /** Starts the process, and waits until it answers. */
  final void start(ServerProcess.Command command, Duration deadline, ServerProcess.Health health) {
    process = ServerProcess.start(command);
    process.awaitHealthy(deadline, health);
  }

  public final boolean isAlive() {
    return process != null && process.isAlive();
  }

  /** The running server; null before the first start. */
  final ServerProcess process() {
    return process;
  }

  public final long pid() {
    return process.pid();
  }

  /** SIGKILL; returns when the process and its children are gone. */
  public final void kill9() {
    process.kill9();
  }

  /** An orderly stop. */
  public final void stop() {
    if (process != null) {
      process.stop(stopDeadline);
    }
  }

  @Override
  public final void close() {
    stop();
  }
}
