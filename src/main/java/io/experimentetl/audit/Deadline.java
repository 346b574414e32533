package io.experimentetl.audit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The time by which something must have moved, on the monotonic clock. It begins again with each
 * step and with each sign of progress, so a long audit ends only when nothing moves: one moving
 * query is enough, because the audit works on both servers at once. A step that takes long is
 * reported while it runs.
 */
final class Deadline implements AutoCloseable {
  private static final Duration CHECKED_EVERY = Duration.ofSeconds(1);
  private static final long REPORTED_EVERY_NANOS = Duration.ofSeconds(10).toNanos();

  /** Asks a server whether it works on the audit's query. */
  interface Probe {
    boolean isMoving() throws Exception;
  }

  /** A query that is running. Closing it ends the supervision. */
  final class Watch implements AutoCloseable {
    private final Probe probe;
    private final Runnable stop;
    private boolean stopped;

    private Watch(Probe probe, Runnable stop) {
      this.probe = probe;
      this.stop = stop;
    }

    /** Whether the query was stopped because nothing moved. */
    boolean isStopped() {
      synchronized (Deadline.this) {
        return stopped;
      }
    }

    @Override
    public void close() {
      synchronized (Deadline.this) {
        running.remove(this);
      }
    }
  }

  private final Duration length;
  private final Consumer<String> report;
  private final ScheduledExecutorService clock;
  private final ScheduledFuture<?> checks;
  private String step;
  private long stepSince;
  private long reportedAt;
  private long endsAtNanos;
  private final List<Watch> running = new ArrayList<>();

  /**
   * Begins.
   *
   * @param report receives a line about a step that takes long
   */
  Deadline(Duration length, Consumer<String> report) {
    this.length = length;
    this.report = report;
    begin("Connecting");
    clock =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "audit-deadline");
              thread.setDaemon(true);
              return thread;
            });
    checks =
        clock.scheduleWithFixedDelay(
            this::check, CHECKED_EVERY.toMillis(), CHECKED_EVERY.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Begins a step, which is named in reports. */
  synchronized void begin(String name) {
    step = name;
    stepSince = System.nanoTime();
    reportedAt = stepSince;
    moved();
  }

  /** Notes a sign of progress. */
  synchronized void moved() {
    endsAtNanos = System.nanoTime() + length.toNanos();
  }

  /**
   * Supervises a query of this thread.
   *
   * @param stop ends the query; called on another thread, at most once
   */
  synchronized Watch watch(Probe probe, Runnable stop) {
    Watch watch = new Watch(probe, stop);
    running.add(watch);
    return watch;
  }

  /** Runs once a second: reports a long step, and ends all queries when nothing moves. */
  void check() {
    List<Watch> watches;
    synchronized (this) {
      watches = List.copyOf(running);
      long now = System.nanoTime();
      if (now - reportedAt >= REPORTED_EVERY_NANOS) {
        reportedAt = now;
        report.accept("%s: %d s so far".formatted(step, (now - stepSince) / 1_000_000_000));
      }
    }
    if (isLate() && watches.stream().anyMatch(Deadline::isMoving)) {
      moved();
    }
    synchronized (this) {
      if (isOver()) {
        for (Watch watch : watches) {
          if (running.remove(watch)) {
            watch.stopped = true;
            watch.stop.run();
          }
        }
      }
    }
  }

  /** Half of the time is over: early enough to ask, and short queries need no question. */
  private synchronized boolean isLate() {
    return left().compareTo(length.dividedBy(2)) < 0;
  }

  /** A server that cannot answer this shows no progress. */
  private static boolean isMoving(Watch watch) {
    try {
      return watch.probe.isMoving();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    } catch (Exception e) {
      return false;
    }
  }

  /** The time left, at least one millisecond: most callees read zero as "no limit". */
  synchronized Duration left() {
    return Duration.ofMillis(Math.max(1, (endsAtNanos - System.nanoTime()) / 1_000_000));
  }

  synchronized boolean isOver() {
    return System.nanoTime() >= endsAtNanos;
  }

  Duration length() {
    return length;
  }

  @Override
  public void close() {
    checks.cancel(true);
    clock.shutdownNow();
  }
}
