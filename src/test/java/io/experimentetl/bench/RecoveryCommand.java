package io.experimentetl.bench;

import io.experimentetl.local.FlinkCluster;
import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.local.demo.RunningJob;
import io.experimentetl.operations.FlinkEndpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl bench recovery}: the seconds that a killed TaskManager costs, by phase. */
@Command(
    name = "recovery",
    mixinStandardHelpOptions = true,
    description = {
      "Kills the TaskManager that runs the job, beside a spare one, while events are written, and measures each phase until they are visible again.",
      "Prints the median, lowest and highest seconds since the kill as JSON."
    })
public final class RecoveryCommand implements Callable<Integer> {
  private static final int ROWS_PER_SECOND = 1_000;
  private static final Duration WARM_UP = Duration.ofSeconds(15);
  private static final Waiting WAITING = new Waiting(Duration.ofMillis(20), Duration.ofMinutes(3));

  private final Place place = new Place();

  @Spec private CommandSpec spec;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description =
          "an empty folder for data and logs (default: target/bench-recovery, emptied first)")
  private Path directory;

  private final Rounds seconds = new Rounds();

  @Override
  public Integer call() throws Exception {
    Path folder = DemoFolder.empty(directory, place.home(), "bench-recovery");
    PlatformOptions options =
        PlatformOptions.defaults()
            .withoutKafka()
            .withFlinkSetting("execution.checkpointing.interval", "1 s");
    try (Platform platform = Platform.start(folder, place.home(), options)) {
      Backlog backlog = new Backlog(platform.addresses().postgres());
      backlog.prepare();
      backlog.expose("events");
      RunningJob job = RunningJob.submit(platform.addresses(), place.jobJar());
      job.awaitVisible();
      FlinkCluster cluster = platform.flinkCluster().orElseThrow();
      try (EventWriter writer = new EventWriter(platform.addresses().postgres(), "events")) {
        writer.start(ROWS_PER_SECOND);
        for (int round = 0; round < SizeFigures.ROUNDS; round++) {
          cluster.startTaskManager();
          cluster.awaitTaskManagers(2);
          Pause.of(WARM_UP);
          kill(cluster, job, writer);
        }
        writer.stop();
      }
      job.awaitVisible();
      job.cancel();
    }
    SizeFigures.print(seconds.spreads(), spec.commandLine().getOut());
    return 0;
  }

  /** The oldest TaskManager runs the job: the other one came later. */
  private void kill(FlinkCluster cluster, RunningJob job, EventWriter writer) {
    FlinkEndpoint flink = cluster.endpoint();
    long restarts = flink.restarts(job.id());
    cluster.killTaskManager();
    long begin = System.nanoTime();
    long visible = job.warehouse().visibleEvents();
    phase(
        "noticed",
        begin,
        () -> !flink.state(job.id()).equals("RUNNING") || flink.restarts(job.id()) > restarts);
    phase(
        "all tasks run",
        begin,
        () -> flink.state(job.id()).equals("RUNNING") && flink.tasks(job.id()).allRun());
    phase("the next rows are visible", begin, () -> job.warehouse().visibleEvents() > visible);
    long committed = writer.committedRows();
    phase(
        "all rows of before are visible",
        begin,
        () -> job.warehouse().visibleEvents() >= committed);
  }

  private void phase(String name, long begin, BooleanSupplier isReached) {
    seconds.add(
        name,
        WAITING.secondsUntil(begin, isReached, () -> "behind the kill, not reached: " + name));
  }
}
