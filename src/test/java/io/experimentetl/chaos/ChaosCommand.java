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
      "Starts a platform of its own (a running one is not touched), writes all kinds of changes, and strikes the job, its",
      "cluster, its servers and the lines between them with random faults. After each it waits until all is visible and",
      "audits PostgreSQL against ClickHouse: half a minute a fault. A seed repeats a run's faults."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {"0:no difference after any fault", "1:differences, or the job did not recover"})
public final class ChaosCommand implements Callable<Integer> {
  /** Faults of one start without state: the first of them strike during its snapshot. */
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
      description = "of the faults and the writers (default: ${DEFAULT-VALUE})")
  private long seed;

  @Option(
      names = "--faults",
      paramLabel = "K",
      defaultValue = "10",
      description = "how many (default: ${DEFAULT-VALUE})")
  private int faults;

  @Option(
      names = "--delivery",
      paramLabel = "MODE",
      defaultValue = "exactly-once",
      description =
          "the job's delivery.mode, exactly-once or low-latency (default: ${DEFAULT-VALUE})")
  private String delivery;

  private record Struck(Fault fault, String phase) {}

  private static final class Tally {
    private int snapshot;
    private int stream;
    private final List<Double> recoverySeconds = new ArrayList<>();
  }

  private final Map<Fault, Tally> tallies = new EnumMap<>(Fault.class);
  private int struck;
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
    try (ChaosCluster ground = ChaosCluster.start(folder, place.home(), place.jobJar(), delivery);
        MixedWrites writes = MixedWrites.start(ground.addresses().postgres(), random.nextLong())) {
      while (struck < faults) {
        ground.startAnew();
        int endOfStart = Math.min(faults, struck + FAULTS_OF_A_START);
        while (struck < endOfStart) {
          List<Struck> together = strike(ground, writes, random, endOfStart - struck);
          struck += together.size();
          audit(ground, writes, together, out);
        }
      }
      print(out, writes);
      return differences + doubled == 0 ? 0 : 1;
    } catch (OperationsException e) {
      throw new PlatformException(
          "seed " + seed + ": " + e.getMessage() + " (logs: " + folder + ")", e);
    }
  }

  /** One fault, or two of which the second strikes while the pipeline still recovers. */
  private static List<Struck> strike(
      ChaosCluster ground, MixedWrites writes, SplittableRandom random, int atMost) {
    int count = Math.min(atMost, random.nextInt(4) == 0 ? 2 : 1);
    List<Struck> together = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
      SplittableRandom own = random.split();
      Pause.of(Duration.ofMillis(own.nextInt(4_000)));
      ground.revive();
      together.add(new Struck(fault, ground.inSnapshot() ? "snapshot" : "stream"));
      writes.requireWriting();
      fault.strike(ground, own);
    }
    ground.revive();
    return together;
  }

  private void audit(
      ChaosCluster ground, MixedWrites writes, List<Struck> together, PrintWriter out) {
    long over = System.nanoTime();
    ground.job().awaitVisible();
    double recovery = (System.nanoTime() - over) / 1e9;
    // That the audit is right while writers write is shown elsewhere; at rest it is quicker.
    writes.rest();
    ground.job().awaitVisible();
    long rested = System.nanoTime();
    AuditReport audit = ground.job().audit();
    double auditSeconds = (System.nanoTime() - rested) / 1e9;
    countDoubled(ground, out);
    // So that faults meet batches of which a merge has dropped rows, and audits stay quick.
    ground.job().warehouse().merge();
    writes.goOn();
    audits++;
    differences += audit.differences().size();
    undecided += audit.undecided().size();
    audited = audit.lines().stream().mapToLong(AuditReport.TableLine::source).sum();
    for (Struck one : together) {
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
        "%3d  %-78s all visible after %5.1f s  %,d rows audited in %.1f s, %d differences%n",
        struck,
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

  private void countDoubled(ChaosCluster ground, PrintWriter out) {
    for (WarehouseTables.Doubled table : ground.job().warehouse().doubled()) {
      doubled += table.doubled();
      if (table.doubled() != 0) {
        out.printf("     %s has %,d physical rows twice%n", table.table(), table.doubled());
      }
    }
  }

  private static String describe(List<Struck> together) {
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
        "%nseed %d: %d faults, %,d transactions by writers (%,d refused, %,d broken by faults), %d audits of up to %,d rows%n",
        seed, struck, writes.committed(), writes.refused(), writes.broken(), audits, audited);
    out.printf(
        "differences: %d; rows that stand twice: %d; rows that moved too fast to be judged: %d%n",
        differences, doubled, undecided);
    out.println(differences + doubled == 0 ? "PASSED" : "FAILED");
    out.flush();
  }
}
