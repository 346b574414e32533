package io.experimentetl.bench;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.local.Place;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.DemoFolder;
import io.experimentetl.local.demo.RunningJob;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code ./etl bench size platform}: transactions that change many rows at once, on a real
 * platform, each from its commit until all of it is visible in ClickHouse. The median of three
 * rounds, each with users of its own.
 */
@Command(
    name = "platform",
    mixinStandardHelpOptions = true,
    description = {
      "Measures transactions that change many rows on a platform of its own, until all is visible: medians of three, as JSON.",
      "Compare the ratios: absolute figures depend on the machine."
    })
public final class PlatformSizes implements Callable<Integer> {
  private static final int CHANGED_USERS = 3_000;
  private static final int EVENTS_PER_CHANGED_USER = 100;
  private static final int ERASED_USERS = 50_000;
  private static final int EVENTS_PER_ERASED_USER = 2;
  private static final int EXPERIMENT = 901;

  private final Place place = new Place();

  @Spec private CommandSpec spec;
  @Mixin private final SizeFigures sizes = new SizeFigures();

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "an empty folder for data and logs (default: target/bench-size, emptied first)")
  private Path directory;

  @Option(
      names = "--users",
      paramLabel = "N",
      defaultValue = "0",
      description =
          "users that exist beside those that change, a tenth of them with an event (default: ${DEFAULT-VALUE})")
  private int users;

  private Backlog database;
  private RunningJob job;

  @Override
  public Integer call() throws IOException {
    Path folder = DemoFolder.empty(directory, place.home(), "bench-size");
    Map<String, Double> figures = new LinkedHashMap<>();
    try (Platform platform =
        Platform.start(folder, place.home(), PlatformOptions.defaults().withoutKafka())) {
      database = new Backlog(platform.addresses().postgres());
      database.execute(
          """
          INSERT INTO experiments (id, key, name, status, seed, starts_at)
          VALUES (%1$d, 'size', 'Size', 'ACTIVE', 'size', now() - interval '30 days');
          INSERT INTO variants (id, experiment_id, key, name, allocation_pct, is_control)
          SELECT %1$d * 10 + v, %1$d, 'v' || v, 'Variant ' || v, 50, v = 0 FROM generate_series(0, 1) AS v
          """
              .formatted(EXPERIMENT));
      job = RunningJob.submit(platform.addresses(), place.jobJar());
      if (users > 0) {
        figures.putAll(load(platform));
      }
      figures.putAll(changes());
      requireEqual(job);
      job.cancel();
    }
    SizeFigures.print(figures, spec.commandLine().getOut());
    return 0;
  }

  private static void requireEqual(RunningJob job) {
    AuditReport report = job.audit();
    if (!report.isEqual()) {
      throw new PlatformException("the audit behind the changes found differences: " + report);
    }
  }

  /** Many users, a tenth of them active. */
  private Map<String, Double> load(Platform platform) {
    double seconds =
        visible(
            () -> {
              members("many", users);
              events("many", users / 10, 1);
            });
    Map<String, Double> figures = new LinkedHashMap<>();
    figures.put(
        "users_%d.rows_per_second".formatted(users), SizeFigures.rounded(users * 2.1 / seconds));
    platform
        .flinkCluster()
        .ifPresent(
            cluster ->
                figures.put(
                    "users_%d.taskmanager_gib".formatted(users),
                    SizeFigures.rounded(
                        greatestResidentBytes(cluster.taskManagerPids().get(0)) / (1L << 30))));
    return figures;
  }

  private Map<String, Double> changes() {
    int changed = sizes.scaled(CHANGED_USERS);
    int erased = sizes.scaled(ERASED_USERS);
    List<Double> updates = new ArrayList<>();
    List<Double> deletes = new ArrayList<>();
    List<Double> erasures = new ArrayList<>();
    for (int round = 0; round < SizeFigures.ROUNDS; round++) {
      String bulk = "bulk" + round;
      String gone = "gone" + round;
      members(bulk, changed);
      events(bulk, changed, EVENTS_PER_CHANGED_USER);
      members(gone, erased);
      events(gone, erased, EVENTS_PER_ERASED_USER);
      job.awaitVisible();
      updates.add(
          visible(
              () ->
                  database.execute(
                      "UPDATE events SET properties = '{\"revenue\": 7}' WHERE user_id LIKE '%s-%%'"
                          .formatted(bulk))));
      deletes.add(
          visible(
              () ->
                  database.execute(
                      "DELETE FROM events WHERE user_id LIKE '%s-%%'".formatted(bulk))));
      erasures.add(
          visible(
              () ->
                  database.execute(
                      "DELETE FROM users WHERE user_id LIKE '%s-%%'".formatted(gone))));
    }
    double rows = (double) changed * EVENTS_PER_CHANGED_USER;
    Map<String, Double> figures = new LinkedHashMap<>();
    String events = "%.0f_events".formatted(rows);
    figures.put(
        "bulk_update.%s.rows_per_second".formatted(events),
        SizeFigures.rounded(rows / SizeFigures.median(updates)));
    figures.put(
        "bulk_delete.%s.rows_per_second".formatted(events),
        SizeFigures.rounded(rows / SizeFigures.median(deletes)));
    figures.put(
        "erasure.%d_users.seconds".formatted(erased),
        SizeFigures.rounded(SizeFigures.median(erasures)));
    return figures;
  }

  /** Seconds from the return of the change, which has committed, until all of it is visible. */
  private double visible(Runnable change) {
    change.run();
    long begin = System.nanoTime();
    job.awaitVisible();
    return (System.nanoTime() - begin) / 1e9;
  }

  /** The most memory that the process has had. */
  private static double greatestResidentBytes(long pid) {
    try (Stream<String> lines = Files.lines(Path.of("/proc", Long.toString(pid), "status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToDouble(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024.0)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void members(String prefix, int count) {
    database.execute(
        """
        INSERT INTO users (user_id, email, name, properties)
        SELECT '%1$s-' || u, '%1$s-' || u || '@example.org', 'User ' || u, '{"country": "DE"}'
        FROM generate_series(0, %2$d - 1) AS u;
        INSERT INTO assignments (id, experiment_id, user_id, variant_id, source, assigned_at)
        SELECT (SELECT coalesce(max(id), 0) FROM assignments) + u + 1, %3$d, '%1$s-' || u, %3$d * 10 + u %% 2, 'hash',
          now() - interval '60 hours'
        FROM generate_series(0, %2$d - 1) AS u
        """
            .formatted(prefix, count, EXPERIMENT));
  }

  /** The first event of each user is an exposure, the others are purchases. */
  private void events(String prefix, int count, int each) {
    database.execute(
        """
        INSERT INTO events (id, timestamp, experiment_id, user_id, variant_id, event_type, properties)
        SELECT gen_random_uuid(), now() - interval '48 hours' + e * interval '10 minutes', %4$d, '%1$s-' || u,
          %4$d * 10 + u %% 2, CASE e WHEN 0 THEN 'exposure' ELSE 'purchase' END, '{"revenue": 5.25, "currency": "EUR"}'
        FROM generate_series(0, %2$d - 1) AS u, generate_series(0, %3$d - 1) AS e
        """
            .formatted(prefix, count, each, EXPERIMENT));
  }
}
