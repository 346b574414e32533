package io.experimentetl.report;

import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ClickHouseOptions;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.JobConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code ./etl report}. Exit code: 0 written, 1 no such experiment, 2 not read or not written. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    description = {
      "Writes an experiment's results as one HTML file that needs no network: verdict and figures, lift over",
      "the days, users, sample ratio, findings. All figures are those of ClickHouse's views."
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

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "the job's configuration, for ClickHouse's address and the zone of days")
  private Path config;

  @Mixin private ClickHouseOptions clickhouseOptions;

  @Override
  public Integer call() {
    PrintWriter err = spec.commandLine().getErr();
    try {
      ReportSettings settings = settings();
      Experiment read = Experiment.read(new Views(settings), experiment, settings.defaultZone());
      PrintWriter answer = spec.commandLine().getOut();
      if (csv != null) {
        CsvFolder.write(csv, read).forEach(answer::println);
      }
      answer.println(write(new ReportPage(read).html(), read));
      answer.flush();
      return WRITTEN;
    } catch (UnknownExperimentException e) {
      err.println(e.getMessage());
      err.flush();
      return UNKNOWN;
    } catch (CannotReportException | InvalidConfigurationException | IllegalStateException e) {
      err.println(e.getMessage());
      err.flush();
      return CANNOT_REPORT;
    } catch (RuntimeException e) {
      // Exit code 1 means an unknown experiment, whoever else handles exceptions.
      e.printStackTrace(err);
      err.flush();
      return CANNOT_REPORT;
    }
  }

  private ReportSettings settings() {
    if (config == null && !clickhouseOptions.nameTheServer()) {
      throw new CannotReportException(
          "no platform runs here, and nothing else says where ClickHouse is: start one with ./etl up, or name the"
              + " server with --clickhouse-url, or the job's configuration with --config.");
    }
    JobConfig job = config == null ? null : JobConfig.load(config, System.getenv());
    ClickHouseConfig clickhouse =
        clickhouseOptions.over(job == null ? ClickHouseConfig.defaults() : job.clickhouse());
    return new ReportSettings(
        clickhouse.url(),
        clickhouse.database(),
        clickhouse.username(),
        clickhouse.password().value(),
        job == null ? null : job.statistics().zone());
  }

  private Path write(String html, Experiment read) {
    Path file = (out != null ? out : Path.of(defaultName(read))).toAbsolutePath().normalize();
    if (Files.isDirectory(file)) {
      throw new CannotReportException(file + " is a folder: name a file with --out.");
    }
    try {
      // Whoever opens the former report never sees half of the new one.
      Path unfinished = file.resolveSibling(file.getFileName() + ".unfinished");
      Files.writeString(unfinished, html);
      Files.move(unfinished, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new CannotReportException(
          "The file " + file + " can't be written (" + e + "): name another one with --out.", e);
    }
    return file;
  }

  private static String defaultName(Experiment read) {
    String name = read.key().replaceAll("[^A-Za-z0-9_-]+", "-");
    return "report-"
        + (name.equals(read.key()) && name.length() <= 80 ? name : read.id())
        + ".html";
  }

  public static void main(String[] args) {
    System.exit(new CommandLine(new ReportCommand()).execute(args));
  }
}
