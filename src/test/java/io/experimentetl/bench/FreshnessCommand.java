package io.experimentetl.bench;

import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.local.demo.RunningJob;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.LongSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl bench freshness}: how long a committed row waits until readers see it. */
@Command(
    name = "freshness",
    mixinStandardHelpOptions = true,
    description = {
      "Measures the seconds from the commit of an event until ClickHouse shows it, at steady rates and behind a pause.",
      "Compares delivery low-latency, exactly-once with checkpoints each 1 s and 5 s, and MaterializedPostgreSQL. Prints a table, and the same as JSON."
    })
public final class FreshnessCommand implements Callable<Integer> {
  private static final Duration WARM_UP = Duration.ofSeconds(15);
  private static final Duration PAUSE = Duration.ofSeconds(10);
  private static final Duration BEHIND_PAUSE = Duration.ofSeconds(3);

  /** A set of settings under which the job is measured. */
  private record Mode(String name, String delivery, String interval) {}

  private static final List<Mode> MODES =
      List.of(
          new Mode("low-latency", "low-latency", "5 s"),
          new Mode("exactly-once, 1 s", "exactly-once", "1 s"),
          new Mode("exactly-once, 5 s", "exactly-once", "5 s"));

  private final Place place = new Place();

  @Spec private CommandSpec spec;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description =
          "an empty folder for data and logs (default: target/bench-freshness, emptied first)")
  private Path directory;

  @Option(
      names = "--rates",
      paramLabel = "N",
      split = ",",
      defaultValue = "200,1000,5000",
      description = "events per second (default: ${DEFAULT-VALUE})")
  private List<Integer> rates;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      defaultValue = "30",
      description = "time at each rate, behind a warm-up (default: ${DEFAULT-VALUE})")
  private int seconds;

  private final Map<String, Freshness> figures = new LinkedHashMap<>();

  @Override
  public Integer call() throws Exception {
    PrintWriter out = spec.commandLine().getOut();
    out.printf("%-32s %8s %8s %8s%n", "seconds from the commit", "p50", "p99", "longest");
    for (Mode mode : MODES) {
      PlatformOptions options =
          PlatformOptions.defaults()
              .withoutKafka()
              .withJobSetting("delivery.mode", mode.delivery())
              .withFlinkSetting("execution.checkpointing.interval", mode.interval());
      Path folder = DemoFolder.empty(directory, place.home(), "bench-freshness");
      try (Platform platform = Platform.start(folder, place.home(), options)) {
        PlatformAddresses addresses = platform.addresses();
        Backlog backlog = new Backlog(addresses.postgres());
        backlog.prepare();
        backlog.expose("events");
        RunningJob job = RunningJob.submit(addresses, place.jobJar());
        job.awaitVisible();
        for (int rate : rates) {
          measure(addresses, mode.name(), "events", rate, job.warehouse()::visibleEvents);
        }
        job.cancel();
        if (mode.equals(MODES.get(MODES.size() - 1))) {
          measurePeer(addresses, backlog);
        }
      }
    }
    out.println();
    SizeFigures.print(figures, out);
    return 0;
  }

  private void measurePeer(PlatformAddresses addresses, Backlog backlog) {
    try (MaterializedPeer peer =
        new MaterializedPeer(addresses.postgres(), backlog, addresses.clickHouse())) {
      for (int rate : rates) {
        measure(addresses, MaterializedPeer.NAME, MaterializedPeer.TABLE, rate, peer::seen);
      }
    }
  }

  private void measure(
      PlatformAddresses addresses, String mode, String table, int rate, LongSupplier count) {
    VisibleRows visible = new VisibleRows(count);
    try (EventWriter writer = new EventWriter(addresses.postgres(), table)) {
      writer.start(rate);
      visible.watch(WARM_UP);
      long warm = writer.committedRows();
      visible.watch(Duration.ofSeconds(seconds));
      long steady = writer.stop();
      visible.watchUntil(steady);
      Pause.of(PAUSE);
      writer.start(rate);
      visible.watch(BEHIND_PAUSE);
      long all = writer.stop();
      visible.watchUntil(all);
      String name = "%s, %,d/s".formatted(mode, rate);
      print(name, name, Freshness.of(writer.committed(), visible.steps(), warm, steady));
      print(
          "  behind a pause",
          name + ", behind a pause",
          Freshness.of(writer.committed(), visible.steps(), steady, all));
    }
  }

  private void print(String line, String name, Freshness freshness) {
    figures.put(name, freshness);
    PrintWriter out = spec.commandLine().getOut();
    out.printf(
        Locale.ROOT,
        "%-32s %8.2f %8.2f %8.2f%n",
        line,
        freshness.p50(),
        freshness.p99(),
        freshness.max());
    out.flush();
  }
}
