package io.experimentetl.maintenance;

import io.experimentetl.maintenance.Schedule.Outcome;
import io.experimentetl.operations.OperationsException;
import java.sql.SQLException;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Looks every half a minute whether a task is due, and keeps the watermark current. */
public final class Scheduler implements AutoCloseable {
  /** {@code false} in this variable leaves the daily task out. */
  private static final String SWITCH = "ENABLE_PARTITION_MAINTENANCE";

  private static final int TASK_SECONDS = 30;
  private static final int WATERMARK_SECONDS = 10;
  private static final Logger LOG = LoggerFactory.getLogger(Scheduler.class);

  private final Schedule schedule;
  private final Maintenance maintenance;
  private final Map<String, String> environment;
  private final BiConsumer<ScheduledTask, Outcome> done;
  private final ScheduledExecutorService tasks =
      Executors.newSingleThreadScheduledExecutor(run -> daemon(run, "schedule"));
  private final ScheduledExecutorService watermarks =
      Executors.newSingleThreadScheduledExecutor(run -> daemon(run, "watermark"));

  /**
   * A scheduler.
   *
   * @param done is told each task that has run
   */
  public Scheduler(
      Schedule schedule,
      Maintenance maintenance,
      Map<String, String> environment,
      BiConsumer<ScheduledTask, Outcome> done) {
    this.schedule = schedule;
    this.maintenance = maintenance;
    this.environment = environment;
    this.done = done;
  }

  private static Thread daemon(Runnable run, String name) {
    Thread thread = new Thread(run, name);
    thread.setDaemon(true);
    return thread;
  }

  /** Whether the environment leaves the task in. */
  public static boolean isEnabled(ScheduledTask task, Map<String, String> environment) {
    return task != ScheduledTask.DAILY
        || !"false".equalsIgnoreCase(environment.getOrDefault(SWITCH, "true").strip());
  }

  /** Begins to look. */
  public void start(Watermark watermark) {
    // Both handle every exception themselves, so nobody asks for the results.
    Future<?> unusedTasks =
        tasks.scheduleWithFixedDelay(this::runDueTasks, 0, TASK_SECONDS, TimeUnit.SECONDS);
    Future<?> unusedWatermarks =
        watermarks.scheduleWithFixedDelay(
            () -> advance(watermark), 0, WATERMARK_SECONDS, TimeUnit.SECONDS);
  }

  /** Runs what is due. A failure is logged, and tried again at the next look. */
  void runDueTasks() {
    for (ScheduledTask task : ScheduledTask.values()) {
      if (isEnabled(task, environment)) {
        try {
          schedule
              .runIfDue(task, false, () -> maintenance.run(task))
              .ifPresent(outcome -> done.accept(task, outcome));
        } catch (SQLException | RuntimeException e) {
          // An exception would end the schedule for ever.
          LOG.error("The scheduled task {} could not be run", task.text(), e);
        }
      }
    }
  }

  private static void advance(Watermark watermark) {
    try {
      watermark.advance();
    } catch (SQLException | OperationsException e) {
      LOG.warn("The watermark stays where it is: {}", e.getMessage());
    } catch (RuntimeException e) {
      LOG.error("The watermark could not be written", e);
    }
  }

  @Override
  public void close() {
    tasks.shutdownNow();
    watermarks.shutdownNow();
  }
}
