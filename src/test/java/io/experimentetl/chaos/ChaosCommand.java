package io.experimentetl.chaos;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.local.Place;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.local.demo.WarehouseTables;
import io.experimentetl.operations.OperationsException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl chaos}. Exit code: 0 no difference after any fault, 1 differences. */
@Command(
    name = "chaos",
    mixinStandardHelpOptions = true,
    description = {
      "Injects random faults into a platform of its own while all kinds of changes are written.",
      "The faults are in the job, its cluster, its servers and the network. A running platform is not touched. After each fault it waits until every change is visible, and "
          + "compares PostgreSQL with ClickHouse. A fault takes half a minute. The same seed repeats the same faults."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:no difference after any fault", "1:differences, or the job did not recover"})
public final class ChaosCommand implements Callable<Integer> {
  /** Number of faults per start without state. The first ones occur during the initial snapshot. */
  private static final int FAULTS_OF_A_START = 8;

  private static final int MAX_PRINTED_DIFFERENCES = 10;

  @Spec private CommandSpec spec;
  private final Place place = new Place();

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "an empty folder for data and logs (default: target/chaos, emptied first)")
  private Path directory;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "seed of the faults and the writers (default: ${DEFAULT-VALUE})")
  private long seed;

  @Option(
      names = "--faults",
      paramLabel = "K",
      defaultValue = "10",
      description = "number of faults (default: ${DEFAULT-VALUE})")
  private int faults;

  @Option(
      names = "--delivery",
      paramLabel = "MODE",
      defaultValue = "exactly-once",
      description =
          "the job's delivery.mode, exactly-once or low-latency (default: ${DEFAULT-VALUE})")
  private String delivery;

  private record Injected(Fault fault, String phase) {}

  private static final class Tally {
    private int snapshot;
    private int stream;
    private final List<Double> recoverySeconds = new ArrayList<>();
  }

  private final Map<Fault, Tally> tallies = new EnumMap<>(Fault.class);
  private int injected;
  private long audits;
  private long audited;
  private long differences;
  private long undecided;
  private long doubled;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Path folder = DemoFolder.empty(directory, place.home(), "chaos");
    SplittableRandom random = new SplittableRandom(seed);
    try (ChaosCluster cluster = ChaosCluster.start(folder, place.home(), place.jobJar(), delivery);
        MixedWrites writes = MixedWrites.start(cluster.addresses().postgres(), random.nextLong())) {
      while (injected < faults) {
        cluster.startWithoutState();
        int endOfStart = Math.min(faults, injected + FAULTS_OF_A_START);
        while (injected < endOfStart) {
          List<Injected> together = inject(cluster, writes, random, endOfStart - injected);
          injected += together.size();
          audit(cluster, writes, together, out);
        }
      }
      print(out, writes);
      return differences + doubled == 0 ? 0 : 1;
    } catch (OperationsException e) {
      throw new PlatformException(
          "seed " + seed + ": " + e.getMessage() + " (logs: " + folder + ")", e);
    }
  }

  /** Injects one fault, or two, the second while the pipeline still recovers from the first. */
  private static List<Injected> inject(
      ChaosCluster cluster, MixedWrites writes, SplittableRandom random, int atMost) {
    int count = Math.min(atMost, random.nextInt(4) == 0 ? 2 : 1);
    List<Injected> together = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
      SplittableRandom own = random.split();
      Pause.of(Duration.ofMillis(own.nextInt(4_000)));
      cluster.revive();
      together.add(new Injected(fault, cluster.inSnapshot() ? "snapshot" : "stream"));
      writes.requireWriting();
      fault.inject(cluster, own);
    }
    cluster.revive();
    return together;
  }

  private void audit(
      ChaosCluster cluster, MixedWrites writes, List<Injected> together, PrintWriter out) {
    long over = System.nanoTime();
    cluster.job().awaitVisible();
    double recovery = (System.nanoTime() - over) / 1e9;
    // Other tests audit while writers write. Without writes, the audit is quicker.
    writes.pauseWriting();
    cluster.job().awaitVisible();
    long rested = System.nanoTime();
    AuditReport audit = cluster.job().audit();
    double auditSeconds = (System.nanoTime() - rested) / 1e9;
    countDoubled(cluster, out);
    // Later faults then meet batches from which a merge has dropped rows, and audits stay quick.
    cluster.job().warehouse().merge();
    writes.resumeWriting();
    audits++;
    differences += audit.differences().size();
    undecided += audit.undecided().size();
    audited = audit.lines().stream().mapToLong(AuditReport.TableLine::source).sum();
    for (Injected one : together) {
      Tally tally = tallies.computeIfAbsent(one.fault(), fault -> new Tally());
      if (one.phase().equals("snapshot")) {
        tally.snapshot++;
      } else {
        tally.stream++;
      }
      tally.recoverySeconds.add(recovery);
    }
    out.printf(
        Locale.ROOT,
        "%3d  %-78s visible after %5.1f s  %,d rows audited in %.1f s, %d differences%n",
        injected,
        describe(together),
        recovery,
        audited,
        auditSeconds,
        audit.differences().size());
    audit.differences().stream()
        .limit(MAX_PRINTED_DIFFERENCES)
        .forEach(difference -> out.println("     " + difference));
    out.flush();
  }

  private void countDoubled(ChaosCluster cluster, PrintWriter out) {
    for (WarehouseTables.Doubled table : cluster.job().warehouse().doubled()) {
      doubled += table.doubled();
      if (table.doubled() != 0) {
        out.printf("     %s has %,d doubled rows%n", table.table(), table.doubled());
      }
    }
  }

  private static String describe(List<Injected> together) {
    return String.join(
        " + ", together.stream().map(one -> one.fault() + " (" + one.phase() + ")").toList());
  }

  private void print(PrintWriter out, MixedWrites writes) {
    out.printf(
        "%n%-58s %8s %8s %12s %12s%n", "fault", "snapshot", "stream", "median s", "longest s");
    tallies.forEach(
        (fault, tally) -> {
          List<Double> sorted = tally.recoverySeconds.stream().sorted().toList();
          out.printf(
              Locale.ROOT,
              "%-58s %8d %8d %12.1f %12.1f%n",
              fault.sentence,
              tally.snapshot,
              tally.stream,
              sorted.get(sorted.size() / 2),
              sorted.get(sorted.size() - 1));
        });
    out.printf(
        "%nseed %d: %d faults, %,d transactions (%,d refused, %,d interrupted by faults), %d audits of up to %,d rows%n",
        seed, injected, writes.committed(), writes.refused(), writes.broken(), audits, audited);
    out.printf(
        "differences: %d; doubled rows: %d; rows that changed too fast to be compared: %d%n",
        differences, doubled, undecided);
    out.println(differences + doubled == 0 ? "PASSED" : "FAILED");
    out.flush();
  }
}
