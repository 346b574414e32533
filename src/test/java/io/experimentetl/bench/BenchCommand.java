package io.experimentetl.bench;

import io.experimentetl.local.FlinkCluster;
import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.RunningJob;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl bench}. Absolute figures depend on the machine; compare the ratios. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    subcommands = SizeCommand.class,
    description = {
      "Commits a backlog of event rows and measures the time until all are visible in ClickHouse, with every feature on.",
      "Compares the job with the bare Flink CDC source and with MaterializedPostgreSQL in the same ClickHouse."
    })
public final class BenchCommand implements Callable<Integer> {
  /**
   * Rows that are read before the measurement, so that compilers and caches are warm. With 100,000
   * the compilers of the TaskManager took a fifth of the processor time that was measured.
   */
  private static final int WARM_UP = 600_000;

  private static final int PROFILED_THREADS = 4;
  private static final int PROFILED_METHODS = 12;

  private final Place place = new Place();

  @Spec private CommandSpec spec;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "an empty folder for data and logs (default: target/bench, emptied first)")
  private Path directory;

  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "1000000",
      description = "rows of the backlog (default: ${DEFAULT-VALUE})")
  private int rows;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Path folder = DemoFolder.empty(directory, place.home(), "bench");
    try (Platform platform =
        Platform.start(folder, place.home(), PlatformOptions.defaults().withoutKafka())) {
      PlatformAddresses addresses = platform.addresses();
      Backlog backlog = new Backlog(addresses.postgres());
      backlog.prepare();
      Map<String, Long> servers = servers(platform);
      List<Measured> all = new ArrayList<>();
      Path recording = folder.resolve("taskmanager.jfr");

      RunningJob job = RunningJob.submit(platform.addresses(), place.jobJar());
      backlog.commit("events", WARM_UP);
      job.awaitVisible();
      FlinkCluster cluster = platform.flinkCluster().orElseThrow();
      long taskManager = cluster.taskManagerPids().get(0);
      Map<String, Long> processes = new LinkedHashMap<>();
      processes.put("Flink", taskManager);
      processes.put("JobManager", cluster.jobManagerPid());
      processes.putAll(servers);
      Profile profile = Profile.start(taskManager, recording);
      long visible = job.warehouse().visibleEvents() + rows;
      all.add(
          Measured.measure(
              "experiment-etl, everything on",
              rows,
              processes,
              () -> backlog.commit("events", rows),
              () -> {
                if (job.warehouse().visibleEvents() < visible) {
                  return false;
                }
                job.awaitVisible();
                return true;
              }));
      profile.stop();
      job.cancel();

      try (BarePeer bare =
          new BarePeer(addresses.postgres(), backlog, folder.resolve("bare-source.log"))) {
        bare.measure(WARM_UP, servers);
        all.add(bare.measure(rows, servers));
      }
      try (MaterializedPeer peer =
          new MaterializedPeer(addresses.postgres(), backlog, addresses.clickHouse())) {
        peer.measure(WARM_UP, servers);
        all.add(peer.measure(rows, servers));
      }
      print(out, all);
      out.printf("%nTaskManager profile, by thread and method:%n");
      profile.top(PROFILED_THREADS, PROFILED_METHODS).forEach(out::println);
      out.flush();
      return 0;
    }
  }

  private static Map<String, Long> servers(Platform platform) {
    Map<String, Long> servers = new LinkedHashMap<>();
    servers.put(
        "PostgreSQL",
        platform
            .postgresServer()
            .orElseThrow(() -> new PlatformException("the bench did not start PostgreSQL"))
            .pid());
    servers.put(
        "ClickHouse",
        platform
            .clickHouseServer()
            .orElseThrow(() -> new PlatformException("the bench did not start ClickHouse"))
            .pid());
    return servers;
  }

  private void print(PrintWriter out, List<Measured> all) {
    double job = all.get(0).rowsPerSecond();
    out.printf(
        Locale.ROOT,
        "%,d event rows, from the commit until all were read; CPU seconds by process%n%n",
        rows);
    out.printf(
        "%-30s %10s %8s %14s %8s %10s %10s %10s%n",
        "reader",
        "rows/s",
        "seconds",
        "etl is x times",
        "Flink",
        "JobManager",
        "PostgreSQL",
        "ClickHouse");
    for (Measured one : all) {
      out.printf(
          Locale.ROOT,
          "%-30s %,10.0f %8.1f %14.2f %8s %10s %10s %10s%n",
          one.reader(),
          one.rowsPerSecond(),
          one.seconds(),
          job / one.rowsPerSecond(),
          cpu(one, "Flink"),
          cpu(one, "JobManager"),
          cpu(one, "PostgreSQL"),
          cpu(one, "ClickHouse"));
    }
  }

  private static String cpu(Measured one, String process) {
    Double seconds = one.cpuSeconds().get(process);
    return seconds == null ? "" : String.format(Locale.ROOT, "%.1f", seconds);
  }
}
