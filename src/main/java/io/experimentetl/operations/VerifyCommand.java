package io.experimentetl.operations;

import io.experimentetl.audit.Audit;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.audit.CannotCompareException;
import io.experimentetl.audit.VerdictRecord;
import io.experimentetl.config.InvalidConfigurationException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code verify}. Exit code: 0 equal, 1 differences, 2 not compared. */
@Command(
    name = "verify",
    mixinStandardHelpOptions = true,
    description = {
      "Compares ClickHouse with PostgreSQL at one place of the log, while writers write.",
      "It compares the rows, the daily statistics and health figures with their recomputation in SQL from either, and what was "
          + "added to the rows (joined columns, codes, findings) with what it was added from."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:equal",
      "1:different; each difference is named",
      "2:could not be compared, or not recorded; the message says what to do"
    })
public final class VerifyCommand implements Callable<Integer> {
  private static final int EQUAL = 0;
  private static final int DIFFERENT = 1;
  private static final int CANNOT_COMPARE = 2;

  @Spec private CommandSpec spec;

  @Mixin private final Databases databases;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      defaultValue = "300",
      description =
          "give up when nothing has moved for so long: neither the job nor the comparison (default: ${DEFAULT-VALUE})")
  private int deadlineSeconds;

  @Option(
      names = "--record",
      description =
          "write the verdict to data_inconsistencies: X-COUNT-MISMATCH, X-CHECKSUM-MISMATCH, X-AGG-MISMATCH are open"
              + " while a table differs, and resolved when it is found equal")
  private boolean record;

  public VerifyCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    try {
      AuditSettings settings = settings();
      AuditReport report = new Audit(settings, line -> report(err, line)).run();
      report.print(out);
      if (record) {
        try (VerdictRecord verdict = new VerdictRecord(settings)) {
          verdict.write(report).forEach(line -> out.println("recorded: " + line));
        }
        out.flush();
      }
      return report.isEqual() ? EQUAL : DIFFERENT;
    } catch (CannotCompareException
        | OperationsException
        | InvalidConfigurationException
        | IllegalStateException e) {
      err.println(e.getMessage());
      err.flush();
      return CANNOT_COMPARE;
    } catch (RuntimeException e) {
      // Not left to picocli, whose exit code 1 means differences here.
      e.printStackTrace(err);
      err.flush();
      return CANNOT_COMPARE;
    }
  }

  /** Called on another thread while a step takes long. */
  private static void report(PrintWriter err, String line) {
    err.println(line);
    err.flush();
  }

  private AuditSettings settings() {
    if (deadlineSeconds < 1) {
      throw new OperationsException(
          "--deadline is %d: give at least 1 second".formatted(deadlineSeconds));
    }
    PostgresLogin postgres = databases.postgres();
    return AuditSettings.of(
        databases.config(),
        postgres.jdbcUrl(),
        postgres.user(),
        postgres.password(),
        databases.clickHouse().connection(),
        Duration.ofSeconds(deadlineSeconds));
  }
}
