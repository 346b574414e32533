package io.experimentetl.operations;

import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.report.CannotReportException;
import io.experimentetl.report.ExperimentReport;
import io.experimentetl.report.ReportSettings;
import io.experimentetl.report.UnknownExperimentException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The verb {@code report}. Exit code: 0 written, 1 no such experiment, 2 not read or written. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    description = {
      "Writes an experiment's results as one HTML file that needs no network.",
      "It shows the verdict, the figures, the lift over the days, the users, the sample ratio and the findings. All figures are "
          + "those of ClickHouse's views."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:written; the last line is the file",
      "1:there is no such experiment; the message lists the near ones",
      "2:could not be read or written; the message says what to do"
    })
public final class ReportCommand implements Callable<Integer> {
  private static final int WRITTEN = 0;
  private static final int UNKNOWN = 1;
  private static final int CANNOT_REPORT = 2;

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "EXPERIMENT", description = "the experiment's key, else its id")
  private String experiment;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "where to write (default: report-KEY.html in the present folder)")
  private Path out;

  @Option(
      names = "--csv",
      paramLabel = "FOLDER",
      description = "writes the same figures there too, one CSV file for each view")
  private Path csv;

  @Mixin private final Databases databases;

  public ReportCommand(Databases databases) {
    this.databases = databases;
  }

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    try {
      ExperimentReport report = ExperimentReport.read(settings(), experiment);
      PrintWriter answer = spec.commandLine().getOut();
      if (csv != null) {
        report.writeCsv(csv).forEach(answer::println);
      }
      answer.println(write(report));
      answer.flush();
      return WRITTEN;
    } catch (UnknownExperimentException e) {
      err.println(e.getMessage());
      err.flush();
      return UNKNOWN;
    } catch (CannotReportException
        | OperationsException
        | InvalidConfigurationException
        | IllegalStateException e) {
      err.println(e.getMessage());
      err.flush();
      return CANNOT_REPORT;
    } catch (RuntimeException e) {
      // Not left to picocli, whose exit code 1 means an unknown experiment here.
      e.printStackTrace(err);
      err.flush();
      return CANNOT_REPORT;
    }
  }

  private ReportSettings settings() {
    return new ReportSettings(
        databases.clickHouse().connection(),
        databases.configFile().isPresent() ? databases.config().statistics().zone() : null);
  }

  private Path write(ExperimentReport report) {
    Path file = (out != null ? out : Path.of(defaultName(report))).toAbsolutePath().normalize();
    if (Files.isDirectory(file)) {
      throw new CannotReportException(file + " is a folder: name a file with --out.");
    }
    try {
      // A reader of the former report never sees half of the new one.
      Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
      Files.writeString(unfinished, report.html());
      Files.move(unfinished, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new CannotReportException(
          "The file " + file + " can't be written (" + e + "): name another one with --out.", e);
    }
    return file;
  }

  private static String defaultName(ExperimentReport report) {
    String name = report.key().replaceAll("[^A-Za-z0-9_-]+", "-");
    return "report-"
        + (name.equals(report.key()) && name.length() <= 80 ? name : report.id())
        + ".html";
  }
}
