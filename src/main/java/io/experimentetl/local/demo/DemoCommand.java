package io.experimentetl.local.demo;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.local.KafkaTopic;
import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.traffic.OptimizelyData;
import io.experimentetl.local.traffic.ReplayedSet;
import io.experimentetl.local.traffic.Traffic;
import io.experimentetl.local.traffic.TrafficPlan;
import io.experimentetl.local.traffic.UdacityData;
import io.experimentetl.model.FindingCode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code ./etl demo}. Exit code: 0 ended, or all checks passed; 1 a check failed, or it could not
 * run.
 */
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = {
      "Starts a platform of its own, feeds it with traffic, and shows the daily statistics as they change.",
      "It ends with Ctrl-C. With --check: a bounded load, then the audit, and an exit code."
    },
    exitCodeListHeading = "Exit codes:%n",
    exitCodeList = {
      "0:ended; with --check: all is as it should be",
      "1:it is not, or it could not be found out"
    })
public final class DemoCommand implements Callable<Integer> {
  private static final int CONNECTIONS = 4;
  private static final long HISTORY = 20_000;

  /** The findings that the generator's first hundred thousand events always provoke. */
  private static final Set<FindingCode> PROVOKED =
      EnumSet.of(
          FindingCode.R_ORPHAN_EXPERIMENT,
          FindingCode.R_ORPHAN_VARIANT,
          FindingCode.R_ORPHAN_ASSIGNMENT,
          FindingCode.R_VARIANT_NOT_IN_EXPERIMENT,
          FindingCode.R_VARIANT_MISMATCH,
          FindingCode.R_VARIANT_NULL,
          FindingCode.A_CROSSOVER,
          FindingCode.A_OVERRIDE,
          FindingCode.T_EVENT_BEFORE_ASSIGNMENT,
          FindingCode.T_CONVERSION_BEFORE_EXPOSURE,
          FindingCode.T_FUTURE,
          FindingCode.T_LATE,
          FindingCode.D_DUP_EVENT,
          FindingCode.S_BAD_PROPERTY,
          FindingCode.H_SRM);

  private final Place place = new Place();

  @Spec private CommandSpec spec;
  @Mixin private PlatformOptions options;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "an empty folder for data and logs (default: target/demo, emptied first)")
  private Path directory;

  @Option(names = "--check", description = "load, wait until all is visible, verify, report, end")
  private boolean check;

  @Option(
      names = "--events",
      paramLabel = "N",
      defaultValue = "100000",
      description = "with --check: event rows of the generator (default: ${DEFAULT-VALUE})")
  private long events;

  private static final Duration ACKNOWLEDGED_WITHIN = Duration.ofSeconds(60);

  @Option(
      names = "--rate",
      paramLabel = "N",
      defaultValue = "500",
      description = "without --check: event rows per second (default: ${DEFAULT-VALUE})")
  private double rate;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "of the generator (default: ${DEFAULT-VALUE})")
  private long seed;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description =
          "the folder of the Udacity or the Optimizely set: replays it instead of the generator's traffic")
  private Path data;

  @Option(
      names = "--policy",
      paramLabel = "POLICY",
      description =
          "exclude or first (default: exclude; with --data: first, for which the answer is known)")
  private String policy;

  @Option(
      names = "--kill",
      split = ",",
      paramLabel = "SERVER",
      description = "taskmanager, clickhouse: kill -9 once each in the middle of the load")
  private List<String> kills = List.of();

  @Option(names = "--redeploy", description = "redeploy by savepoint in the middle of the load")
  private boolean redeploy;

  @Override
  public Integer call() {
    List<Interruption> interruptions = interruptions();
    if (!check && !interruptions.isEmpty()) {
      throw new ParameterException(spec.commandLine(), "--kill and --redeploy need --check");
    }
    CrossoverPolicy chosen = policy();
    ReplayedSet replayed = replayed();
    options.withJobSetting("statistics.crossover", chosen.name().toLowerCase(Locale.ROOT));
    if (replayed == null) {
      options.withJobSetting("statistics.metrics", TrafficPlan.METRICS);
    } else {
      // It is from years ago: the warehouse's retention would remove it.
      options.withoutTtl();
    }
    if (replayed instanceof OptimizelyData) {
      options.withJobSetting("statistics.metrics", OptimizelyData.METRICS);
    }
    PrintWriter out = spec.commandLine().getOut();
    Path folder = DemoFolder.empty(directory, place.home(), "demo");
    long begin = System.nanoTime();
    try (Platform platform = Platform.start(folder, place.home(), options, out::println)) {
      PlatformAddresses addresses = platform.addresses();
      out.println("submitting the job");
      RunningJob job = RunningJob.submit(platform.addresses(), place.jobJar());
      if (!check) {
        return watch(job, addresses, replayed, folder, out);
      }
      job.warehouse().keepEveryPart();
      Supplier<Traffic> load =
          replayed == null
              ? () ->
                  Traffic.start(
                      addresses.postgres(), TrafficPlan.bounded(seed, events, Instant.now()))
              : () -> Traffic.replay(addresses.postgres(), replayed, CONNECTIONS);
      Report report = new Report(out);
      check(
          report,
          platform,
          job,
          load,
          replayed == null ? events : replayed.events(),
          interruptions);
      answer(report, job, replayed, chosen);
      addresses.kafka().ifPresent(kafka -> outbox(report, addresses, kafka));
      doubled(report, job.warehouse());
      audit(report, job);
      report.fact("seconds, all servers' start included", seconds(begin));
      report.end(folder);
      return report.isGood() ? 0 : 1;
    }
  }

  /** Adds the known answers of a replayed set, or the findings of generated traffic. */
  private void answer(Report report, RunningJob job, ReplayedSet replayed, CrossoverPolicy policy) {
    if (replayed instanceof UdacityData udacity) {
      UdacityAnswer answer = new UdacityAnswer(udacity, job.warehouse());
      answer.rows(report);
      if (policy == CrossoverPolicy.FIRST) {
        answer.golden(report);
      }
    } else if (replayed instanceof OptimizelyData optimizely) {
      new OptimizelyAnswer(optimizely, job.warehouse()).rows(report);
    } else {
      findings(report, job.warehouse());
    }
  }

  private ReplayedSet replayed() {
    if (data == null) {
      return null;
    }
    return OptimizelyData.isIn(data) ? OptimizelyData.read(data) : UdacityData.read(data);
  }

  private List<Interruption> interruptions() {
    Set<Interruption> chosen = EnumSet.noneOf(Interruption.class);
    for (String kill : kills) {
      switch (kill) {
        case "taskmanager" -> chosen.add(Interruption.TASKMANAGER);
        case "clickhouse" -> chosen.add(Interruption.CLICKHOUSE);
        default ->
            throw new ParameterException(
                spec.commandLine(),
                "--kill " + kill + ": write taskmanager, clickhouse or both with a comma");
      }
    }
    if (redeploy) {
      chosen.add(Interruption.REDEPLOY);
    }
    return List.copyOf(chosen);
  }

  private CrossoverPolicy policy() {
    if (policy == null) {
      return data == null ? CrossoverPolicy.EXCLUDE : CrossoverPolicy.FIRST;
    }
    return switch (policy) {
      case "exclude" -> CrossoverPolicy.EXCLUDE;
      case "first" -> CrossoverPolicy.FIRST;
      default ->
          throw new ParameterException(
              spec.commandLine(), "--policy " + policy + ": write exclude or first");
    };
  }

  /** Loads with the interruptions in between, and waits until all is visible. */
  private static void check(
      Report report,
      Platform platform,
      RunningJob job,
      Supplier<Traffic> load,
      long events,
      List<Interruption> interruptions) {
    long begin = System.nanoTime();
    try (Traffic traffic = load.get()) {
      int parts = interruptions.size() + 1;
      long visible = 0;
      for (int i = 0; i < interruptions.size(); i++) {
        // The load continues during the interruption, but only up to the next one.
        traffic.allow(i + 2 == parts ? Long.MAX_VALUE : events * (i + 2) / parts);
        long here = events * (i + 1) / parts;
        while (traffic.events() < here && traffic.isRunning()) {
          Pause.of(Duration.ofMillis(5));
        }
        // An interruption of a job that has delivered nothing since the last one proves little.
        visible = job.awaitMoreEventsThan(visible);
        report.fact(
            interruptions.get(i).sentence,
            "at %s events written, %s rows visible"
                .formatted(Report.number(traffic.events()), Report.number(visible)));
        job.interrupt(interruptions.get(i), platform);
      }
      traffic.await();
      report.fact("events written", Report.number(traffic.events()));
      report.fact("seconds until all were written", seconds(begin));
    }
    job.awaitVisible();
    report.fact("seconds until all were visible", seconds(begin));
  }

  private static void findings(Report report, WarehouseTables warehouse) {
    Set<String> found = new HashSet<>();
    warehouse.findings().forEach(row -> found.add(row.code()));
    List<String> missing = new ArrayList<>();
    for (FindingCode code : PROVOKED) {
      if (!found.contains(code.code())) {
        missing.add(code.code());
      }
    }
    report.equal(
        "kinds of findings provoked and reported",
        PROVOKED.size(),
        PROVOKED.size() - missing.size());
    if (!missing.isEmpty()) {
      report.note("not reported: " + String.join(", ", missing));
    }
    report.equal(
        "experiments with H-SRM, the one with the broken assigner",
        1,
        warehouse.count(
            "SELECT uniqExact(experiment_id) FROM data_inconsistencies FINAL WHERE code = 'H-SRM' AND status = 'OPEN'"
                + " AND experiment_id = 103"));
  }

  /** Checks that each outbox row is in Kafka once and acknowledged in PostgreSQL. */
  private static void outbox(Report report, PlatformAddresses addresses, String kafka) {
    OutboxConfig config = addresses.loadJobConfig().outbox();
    if (!config.enabled()) {
      return;
    }
    String unprocessed = "SELECT count(*) FROM outbox_events WHERE processed_at IS NULL";
    long deadline = System.nanoTime() + ACKNOWLEDGED_WITHIN.toNanos();
    while (addresses.postgres().count(unprocessed) != 0 && System.nanoTime() < deadline) {
      Pause.of(Duration.ofMillis(100));
    }
    Set<String> relayed = new HashSet<>();
    long records = 0;
    for (String type : config.aggregateTypes()) {
      for (var record : KafkaTopic.committed(kafka, config.topicPrefix() + type)) {
        records++;
        relayed.add(record.value().substring(0, record.value().indexOf(',')));
      }
    }
    long rows = addresses.postgres().count("SELECT count(*) FROM outbox_events");
    report.equal("outbox rows in Kafka", rows, relayed.size());
    report.equal("outbox rows twice in Kafka", 0, records - relayed.size());
    report.equal("outbox rows not acknowledged", 0, addresses.postgres().count(unprocessed));
  }

  private static void doubled(Report report, WarehouseTables warehouse) {
    long rows = 0;
    long doubled = 0;
    for (WarehouseTables.Doubled table : warehouse.doubled()) {
      rows += table.rows();
      doubled += table.doubled();
      if (table.doubled() != 0) {
        report.note("%s has %,d physical rows twice".formatted(table.table(), table.doubled()));
      }
    }
    report.equal("duplicate rows, of " + Report.number(rows) + " physical ones", 0, doubled);
  }

  static void audit(Report report, RunningJob job) {
    AuditReport audit = job.audit();
    long rows = audit.lines().stream().mapToLong(AuditReport.TableLine::source).sum();
    report.equal(
        "differences of %s rows and %s statistics to PostgreSQL"
            .formatted(Report.number(rows), Report.number(audit.cells())),
        0,
        audit.differences().size());
    audit.differences().stream()
        .limit(20)
        .forEach(difference -> report.note(difference.toString()));
  }

  private Integer watch(
      RunningJob job,
      PlatformAddresses addresses,
      ReplayedSet replayed,
      Path folder,
      PrintWriter out) {
    String header =
        "Flink web UI %s   ClickHouse %s/play (user %s, password in %s)   Ctrl-C stops all"
            .formatted(
                addresses.flink().url(),
                addresses.clickHouse().url(),
                addresses.clickHouse().user(),
                folder.resolve("clickhouse.password"));
    boolean terminal = CommandLine.Help.Ansi.AUTO.enabled();
    LiveTable table = new LiveTable(job.warehouse());
    long history = 0;
    if (replayed == null) {
      try (Traffic past =
          Traffic.start(addresses.postgres(), TrafficPlan.bounded(seed, HISTORY, Instant.now()))) {
        past.await();
        history = past.events();
      }
    }
    try (Traffic traffic =
        replayed == null
            ? Traffic.start(
                addresses.postgres(), TrafficPlan.continuous(seed + 1, rate, Instant.now()))
            : Traffic.replay(addresses.postgres(), replayed, CONNECTIONS)) {
      while (true) {
        if (!traffic.isRunning()) {
          // Either the replay's end, or PostgreSQL's refusal, which this throws.
          traffic.await();
        }
        job.requireWorking();
        out.print(table.render(header, history + traffic.events(), Instant.now(), terminal));
        out.flush();
        Pause.of(Duration.ofSeconds(2));
      }
    }
  }

  private static String seconds(long begin) {
    return String.format(Locale.ROOT, "%.1f", (System.nanoTime() - begin) / 1e9);
  }
}
