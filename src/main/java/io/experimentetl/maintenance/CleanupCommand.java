package io.experimentetl.maintenance;

import io.experimentetl.config.RetentionConfig;
import io.experimentetl.maintenance.CleanupRequest.Part;
import io.experimentetl.operations.Databases;
import io.experimentetl.operations.OperationsException;
import java.io.PrintWriter;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code cleanup}. */
@Command(
    name = "cleanup",
    mixinStandardHelpOptions = true,
    description = {
      "Deletes what is older than its retention (section retention of the configuration).",
      "In PostgreSQL it deletes in batches, never a row that ClickHouse may not have; in ClickHouse by the TTLs. The warehouse keeps what "
          + "PostgreSQL loses. It only counts unless --execute is given."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:done, or counted", "1:refused or not finished; the message says why"})
public final class CleanupCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Option(names = "--execute", description = "deletes")
  private boolean execute;

  @Option(
      names = "--only",
      paramLabel = "PART",
      description =
          "events, assignments, outbox_events, experiments or clickhouse; several times for several (default: all)")
  private List<String> only = List.of();

  @Option(
      names = "--older-than",
      paramLabel = "DAYS",
      description = "with one --only: keeps its rows for longer than the policy; less is refused")
  private Integer days;

  @Option(
      names = "--wait",
      paramLabel = "SECONDS",
      defaultValue = "60",
      description =
          "how long to wait for ClickHouse to have all that PostgreSQL has now (default: ${DEFAULT-VALUE}); then the last known place holds")
  private int waitSeconds;

  public CleanupCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    RetentionConfig policies = databases.config().retention();
    Set<Part> parts = EnumSet.noneOf(Part.class);
    only.forEach(name -> parts.add(Part.of(name)));
    Map<Part, Integer> ages = new EnumMap<>(Part.class);
    if (days != null) {
      if (parts.size() != 1) {
        throw new OperationsException("--older-than needs one --only: it is one part's age");
      }
      ages.put(parts.iterator().next(), days);
    }
    CleanupRequest request = CleanupRequest.of(policies, !execute, parts, ages);
    try {
      Watermark.of(databases).advance(Duration.ofSeconds(waitSeconds));
      CleanupReport report =
          new Cleanup(databases, Clock.systemUTC()).run(request, Duration.ofDays(1));
      print(out, report);
      return report.complete() ? 0 : 1;
    } catch (SQLException e) {
      throw new OperationsException(
          "PostgreSQL %s refused the clean-up: %s. What was deleted before stays deleted"
              .formatted(databases.postgres(), e.getMessage()),
          e);
    }
  }

  private static void print(PrintWriter out, CleanupReport report) {
    for (CleanupReport.Table table : report.tables()) {
      for (CleanupReport.Day day : table.days()) {
        out.printf(
            "%-10s %-24s %s  %,d rows%s%n",
            table.store(),
            table.table(),
            day.day(),
            day.rows(),
            day.refusedRows() == 0
                ? ""
                : ", %,d stay: ClickHouse may not have them".formatted(day.refusedRows()));
      }
      out.printf(
          "%-10s %-24s %,d rows older than %s %s%s%n",
          table.store(),
          table.table(),
          table.rows(),
          table.olderThan(),
          report.dryRun() ? "would go" : "are gone",
          table.note() == null ? "" : "; " + table.note());
    }
    if (report.dryRun()) {
      out.println("nothing was deleted: give --execute");
    }
    out.flush();
  }
}
