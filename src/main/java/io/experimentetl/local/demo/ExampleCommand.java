package io.experimentetl.local.demo;

import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformOptions;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code ./etl example}. Exit code: 0 both servers agree; 1 they do not, or it could not run. */
@Command(
    name = "example",
    mixinStandardHelpOptions = true,
    description = {
      "Runs one of sql/examples: tables of another platform, copied with lookups and rollups.",
      "It starts a platform of its own, writes the example's rows, and shows the answers of ClickHouse beside PostgreSQL's, and the audit."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:both servers agree", "1:they do not, or it could not be found out"})
public final class ExampleCommand implements Callable<Integer> {
  /** Findings about missing references come behind their grace period. */
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private static final int SHOWN_ROWS = 5;

  private final Place place = new Place();

  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "NAME", description = "bets, pageviews or traces")
  private String name;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "an empty folder for data and logs (default: target/example, emptied first)")
  private Path directory;

  @Override
  public Integer call() {
    Example example = Example.of(place.home(), name);
    PlatformOptions options =
        PlatformOptions.defaults().withoutKafka().withJobConfig(example.jobConfig());
    PrintWriter out = spec.commandLine().getOut();
    Path folder = DemoFolder.empty(directory, place.home(), "example");
    try (Platform platform = Platform.start(folder, place.home(), options, out::println)) {
      PlatformAddresses addresses = platform.addresses();
      out.println("making the example's tables");
      example.prepare(addresses.loadJobConfig(), addresses.postgres(), addresses.clickHouse());
      out.println("submitting the job");
      RunningJob job = RunningJob.submit(addresses, place.jobJar());
      job.awaitVisible();
      example.write(addresses.postgres());
      job.awaitVisible();
      List<Example.Answer> answers = answers(example, addresses);
      answers.forEach(answer -> print(answer, out));
      Report report = new Report(out);
      for (Example.Answer answer : answers) {
        List<String> differences = answer.differences();
        report.equal(
            "differences of %d rows: %s".formatted(answer.warehouse().size(), answer.title()),
            0,
            differences.size());
        differences.stream().limit(SHOWN_ROWS).forEach(report::note);
      }
      DemoCommand.audit(report, job);
      report.end(folder);
      return report.isGood() ? 0 : 1;
    }
  }

  private static List<Example.Answer> answers(Example example, PlatformAddresses addresses) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      List<Example.Answer> answers = example.answers(addresses.postgres(), addresses.clickHouse());
      boolean agree = answers.stream().allMatch(answer -> answer.differences().isEmpty());
      if (agree || System.nanoTime() > end) {
        return answers;
      }
      Pause.of(Duration.ofMillis(500));
    }
  }

  private static void print(Example.Answer answer, PrintWriter out) {
    out.printf("%n%s%n", answer.title());
    answer.warehouse().stream().limit(SHOWN_ROWS).forEach(row -> out.println("  " + row));
    int more = answer.warehouse().size() - SHOWN_ROWS;
    if (more > 0) {
      out.printf("  and %d further rows%n", more);
    }
  }
}
