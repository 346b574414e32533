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
import io.experimentetl.operations.FreshStart;
import java.io.IOException;
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
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code ./etl bench}. Absolute figures depend on the machine; compare the ratios. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    subcommands = {
      FreshnessCommand.class,
      RecoveryCommand.class,
      SnapshotCommand.class,
      SizeCommand.class
    },
    description = {
      "Commits a backlog of event rows and measures the time until all are visible in ClickHouse, with every feature on.",
      "Compares the job with the bare Flink CDC source and with MaterializedPostgreSQL in the same ClickHouse, one after the other in each round.",
      "Prints medians with the lowest and highest value, and writes them as JSON, with the TaskManager's recording and its stacks for a flame graph."
    })
public final class BenchCommand implements Callable<Integer> {
  /**
   * Rows that are read before the measurement, so that compilers and caches are warm. With 600,000
   * the compilers of the TaskManager took 11 of the 29 processor seconds that were measured.
   */
  private static final int WARM_UP = 1_500_000;

  private static final int PROFILED_THREADS = 4;
  private static final int PROFILED_METHODS = 12;

  /** Threads below this many CPU seconds per million rows are not printed. */
  private static final double MIN_THREAD_SECONDS = 0.2;

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

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "3",
      description = "rounds, each of all readers (default: ${DEFAULT-VALUE})")
  private int rounds;

  @Override
  public Integer call() throws IOException {
    requirePositive("--rows", rows);
    requirePositive("--rounds", rounds);
    Path folder = DemoFolder.empty(directory, place.home(), "bench");
    Path recording = folder.resolve("taskmanager.jfr");
    List<Measured> all = new ArrayList<>();
    Profile profile = null;
    try (Platform platform =
        Platform.start(folder, place.home(), PlatformOptions.defaults().withoutKafka())) {
      PlatformAddresses addresses = platform.addresses();
      Backlog backlog = new Backlog(addresses.postgres());
      backlog.prepare();
      Map<String, Long> servers = servers(platform);
      for (int round = 0; round < rounds; round++) {
        profile = measureJob(platform, backlog, servers, recording, all);
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
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    BenchFigures figures = BenchFigures.of(all);
    figures.print(rows, out);
    figures.write(folder.resolve("bench.json"));
    if (profile != null) {
      out.printf("%nTaskManager profile of the last round, by thread and method:%n");
      profile.top(PROFILED_THREADS, PROFILED_METHODS).forEach(out::println);
      profile.writeStacks(folder.resolve("taskmanager.stacks"));
    }
    out.flush();
    return 0;
  }

  private void requirePositive(String option, int number) {
    if (number < 1) {
      throw new ParameterException(
          spec.commandLine(), option + " is " + number + "; it must be at least 1");
    }
  }

  /**
   * One round of the job, which is started without state and cancelled, so that it reads nothing
   * that others do.
   */
  private Profile measureJob(
      Platform platform,
      Backlog backlog,
      Map<String, Long> servers,
      Path recording,
      List<Measured> all) {
    FlinkCluster cluster = platform.flinkCluster().orElseThrow();
    long taskManager = cluster.taskManagerPids().get(0);
    Profile profile = Profile.start(taskManager, recording);
    backlog.empty();
    new FreshStart(platform.addresses().deployment(place.jobJar())).prepare(line -> {});
    RunningJob job = RunningJob.submit(platform.addresses(), place.jobJar());
    Map<String, Long> processes = new LinkedHashMap<>();
    processes.put("Flink", taskManager);
    processes.put("JobManager", cluster.jobManagerPid());
    processes.putAll(servers);
    backlog.commit("events", WARM_UP);
    job.awaitVisible();
    profile.mark();
    long clickHouse = servers.get("ClickHouse");
    Map<String, Double> threads = CpuSeconds.byThread(taskManager);
    Map<String, Double> serverThreads = CpuSeconds.byThread(clickHouse);
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
    printThreads("ClickHouse", serverThreads, CpuSeconds.byThread(clickHouse));
    printThreads("TaskManager", threads, CpuSeconds.byThread(taskManager));
    profile.stop();
    job.cancel();
    return profile;
  }

  /**
   * The compilers and the collector of the heap take processor time too, which no profile shows.
   */
  private void printThreads(String process, Map<String, Double> before, Map<String, Double> after) {
    PrintWriter out = spec.commandLine().getOut();
    out.printf("%s, CPU seconds per million rows by thread:%n", process);
    Map<String, Double> used = new LinkedHashMap<>();
    after.forEach(
        (thread, seconds) ->
            used.put(thread, (seconds - before.getOrDefault(thread, 0.0)) * 1e6 / rows));
    used.entrySet().stream()
        .filter(thread -> thread.getValue() >= MIN_THREAD_SECONDS)
        .sorted(Map.Entry.<String, Double>comparingByValue().reversed())
        .forEach(
            thread -> out.printf(Locale.ROOT, "%6.1f  %s%n", thread.getValue(), thread.getKey()));
    out.flush();
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
}
