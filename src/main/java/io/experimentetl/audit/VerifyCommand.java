package io.experimentetl.audit;

import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ClickHouseOptions;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.InvalidConfigurationException;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.Secret;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.StatisticsConfig;
import java.io.PrintWriter;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl verify}. Exit code: 0 equal, 1 differences, 2 can't be compared. */
@Command(
    name = "verify",
    mixinStandardHelpOptions = true,
    description = {
      "Compares, at one place of the log and while writers write, ClickHouse's rows with PostgreSQL's,",
      "the daily statistics and health figures with their recomputation in SQL from either, and what was added",
      "to the rows (joined columns, codes, findings) with what it was added from."
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

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "the job's configuration; without it the defaults hold")
  private Path config;

  @Option(
      names = "--postgres-url",
      paramLabel = "URL",
      description = "jdbc:postgresql://host:port/database, instead of the configuration's source")
  private String postgresUrl;

  @Option(
      names = "--postgres-user",
      paramLabel = "USER",
      description = "instead of source.username")
  private String postgresUser;

  @Option(
      names = "--postgres-password-file",
      paramLabel = "FILE",
      description = "instead of the environment variable EXPERIMENT_ETL_SOURCE_PASSWORD")
  private Path postgresPasswordFile;

  @Mixin private ClickHouseOptions clickhouseOptions;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      defaultValue = "300",
      description = "for all of it, the wait for the job included (default: ${DEFAULT-VALUE})")
  private int deadlineSeconds;

  @Option(
      names = "--record",
      description =
          "write the verdict to data_inconsistencies: X-COUNT-MISMATCH, X-CHECKSUM-MISMATCH, X-AGG-MISMATCH are open"
              + " while a table differs, and resolved when it is found equal")
  private boolean record;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    try {
      AuditSettings settings = settings();
      AuditReport report = new Audit(settings).run();
      report.print(out);
      if (record) {
        new VerdictRecord(settings).write(report).forEach(line -> out.println("recorded: " + line));
        out.flush();
      }
      return report.isEqual() ? EQUAL : DIFFERENT;
    } catch (CannotCompareException | InvalidConfigurationException | IllegalStateException e) {
      err.println(e.getMessage());
      err.flush();
      return CANNOT_COMPARE;
    } catch (RuntimeException e) {
      // Exit code 1 means differences, whoever else handles exceptions.
      e.printStackTrace(err);
      err.flush();
      return CANNOT_COMPARE;
    }
  }

  private AuditSettings settings() {
    if (config == null && (postgresUrl == null || !clickhouseOptions.nameTheServer())) {
      throw new CannotCompareException(
          "no platform runs here, and nothing else says what to compare: start one with ./etl up, or name the"
              + " job's configuration with --config, or the servers with --postgres-url and --clickhouse-url.");
    }
    JobConfig job = config == null ? null : JobConfig.load(config, System.getenv());
    SourceConfig source = job == null ? SourceConfig.defaults() : job.source();
    ClickHouseConfig clickhouse =
        clickhouseOptions.over(job == null ? ClickHouseConfig.defaults() : job.clickhouse());
    Secret postgresPassword =
        postgresPasswordFile != null
            ? Secret.fromFile(postgresPasswordFile.toString())
            : source.password();
    return new AuditSettings(
        postgresUrl != null ? postgresUrl : jdbcUrl(source),
        postgresUser != null ? postgresUser : source.username(),
        postgresPassword.value(),
        clickhouse.url(),
        clickhouse.database(),
        clickhouse.username(),
        clickhouse.password().value(),
        job == null ? StatisticsConfig.defaults() : job.statistics(),
        job == null ? FindingsConfig.defaults() : job.findings(),
        source.eventRetention(),
        source.assignmentRetention(),
        Duration.ofSeconds(Math.max(1, deadlineSeconds)));
  }

  private static String jdbcUrl(SourceConfig source) {
    return "jdbc:postgresql://"
        + source.host()
        + ":"
        + source.port()
        + "/"
        + URLEncoder.encode(source.database(), StandardCharsets.UTF_8)
        + "?currentSchema="
        + URLEncoder.encode(source.schema(), StandardCharsets.UTF_8);
  }

  public static void main(String[] args) {
    System.exit(new CommandLine(new VerifyCommand()).execute(args));
  }
}
