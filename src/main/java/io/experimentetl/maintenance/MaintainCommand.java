package io.experimentetl.maintenance;

import io.experimentetl.maintenance.Schedule.Outcome;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.OperationsException;
import java.io.PrintWriter;
import java.sql.SQLException;
import java.time.Clock;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The verb {@code maintain}. */
@Command(
    name = "maintain",
    mixinStandardHelpOptions = true,
    description = {
      "Runs a scheduled task, for cron or a Kubernetes CronJob where serve does not run.",
      "daily (02:00 UTC): partitions, clean-up, what erased users left on disk, sizes. weekly (Sunday 03:00 UTC): verify --record.",
      "monthly (the 1st, 04:00 UTC): archive. A task that another scheduler has run since it was due is not run again.",
      "ENABLE_PARTITION_MAINTENANCE=false switches the daily task off."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:done, or another scheduler has done it",
      "1:failed; the message says why, and so does status"
    })
public final class MaintainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Parameters(paramLabel = "TASK", description = "daily, weekly or monthly")
  private String task;

  public MaintainCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    ScheduledTask wanted = task();
    if (!Scheduler.isEnabled(wanted, System.getenv())) {
      out.println(wanted.text() + " is switched off by ENABLE_PARTITION_MAINTENANCE=false");
      out.flush();
      return 0;
    }
    Clock clock = Clock.systemUTC();
    try {
      Optional<Outcome> outcome =
          new Schedule(databases.postgres(), clock, Runner.name())
              .runIfDue(wanted, true, () -> new Maintenance(databases, clock).run(wanted));
      out.println(
          outcome
              .map(done -> (done.succeeded() ? "done: " : "FAILED: ") + done.detail())
              .orElse("not run: another scheduler has run it since it was due, or runs it"));
      out.flush();
      return outcome.map(Outcome::succeeded).orElse(true) ? 0 : 1;
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s has no schedule: %s. Apply sql/postgres/005_retention.sql"
              .formatted(databases.postgres(), e.getMessage()),
          e);
    }
  }

  private ScheduledTask task() {
    return Arrays.stream(ScheduledTask.values())
        .filter(known -> known.text().equals(task))
        .findFirst()
        .orElseThrow(
            () ->
                new OperationsException(
                    "%s is no task: give one of %s"
                        .formatted(
                            task,
                            Arrays.stream(ScheduledTask.values())
                                .map(ScheduledTask::text)
                                .collect(Collectors.joining(", ")))));
  }
}
