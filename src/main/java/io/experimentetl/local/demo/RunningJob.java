package io.experimentetl.local.demo;

import io.experimentetl.audit.Audit;
import io.experimentetl.audit.AuditReport;
import io.experimentetl.audit.AuditSettings;
import io.experimentetl.audit.CannotCompareException;
import io.experimentetl.config.JobConfig;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.FlinkCluster;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformException;
import io.experimentetl.operations.FlinkEndpoint;
import io.experimentetl.operations.JobDeployment;
import io.experimentetl.operations.Visibility;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The job on a platform: started, interrupted, waited for, audited. */
public final class RunningJob {
  private static final Duration RECOVERY = Duration.ofMinutes(3);
  private static final Duration AUDIT = Duration.ofMinutes(10);

  /** How long nothing new may become visible; a killed TaskManager is noticed sooner. */
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  private final PlatformAddresses addresses;
  private final JobDeployment deployment;
  private final WarehouseTables warehouse;
  private String id;

  private RunningJob(PlatformAddresses addresses, Path jar) {
    this.addresses = addresses;
    this.deployment = new JobDeployment(addresses.deployment(jar), line -> {});
    this.warehouse = new WarehouseTables(addresses.clickHouse().login());
  }

  /** Submits the job without state; returns when all its tasks run. */
  public static RunningJob submit(PlatformAddresses addresses, Path jar) {
    return submit(addresses, jar, Optional.empty(), 0, List.of());
  }

  /**
   * Submits the job; returns when all its tasks run.
   *
   * @param addresses the platform's, perhaps with another configuration of the job
   * @param from a savepoint's or checkpoint's path; empty: without state
   * @param parallelism 0: the cluster's default
   * @param arguments of the job, behind its configuration
   */
  public static RunningJob submit(
      PlatformAddresses addresses,
      Path jar,
      Optional<String> from,
      int parallelism,
      List<String> arguments) {
    RunningJob job = new RunningJob(addresses, jar);
    job.id = job.deployment.submit(from, parallelism, arguments);
    return job;
  }

  /** A job that was started by other means. */
  public static RunningJob of(PlatformAddresses addresses, Path jar, String id) {
    RunningJob job = new RunningJob(addresses, jar);
    job.id = id;
    return job;
  }

  public WarehouseTables warehouse() {
    return warehouse;
  }

  public String id() {
    return id;
  }

  /** Waits until everything that PostgreSQL has committed by now is visible. */
  public void awaitVisible() {
    Visibility.awaitAll(
        addresses.postgres().login(), addresses.clickHouse().login(), flink(), id, PATIENCE);
  }

  /** Waits until more event rows than these are visible, and returns their number. */
  long awaitMoreEventsThan(long rows) {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      long visible = warehouse.visibleEvents();
      if (visible > rows) {
        return visible;
      }
      requireWorking();
      if (System.nanoTime() > end) {
        throw new PlatformException(
            "no event row became visible for %d s; the job is %s: %s"
                .formatted(PATIENCE.toSeconds(), flink().state(id), flink().rootException(id)));
      }
      Pause.of(Duration.ofMillis(20));
    }
  }

  /**
   * Does nothing while the job runs or restarts.
   *
   * @throws PlatformException with the job's exception when it is at its end
   */
  public void requireWorking() {
    if (!works()) {
      throw new PlatformException(
          "the job is " + flink().state(id) + ": " + flink().rootException(id));
    }
  }

  private boolean works() {
    return !Set.of("FAILED", "CANCELED", "FINISHED").contains(flink().state(id));
  }

  /** Interrupts the job, and returns when it works again. */
  void interrupt(Interruption interruption, Platform platform) {
    switch (interruption) {
      case TASKMANAGER -> killTaskManager(platform);
      case REDEPLOY -> id = deployment.redeploy(0);
      case CLICKHOUSE -> {
        ClickHouseServer server =
            platform
                .clickHouseServer()
                .orElseThrow(
                    () ->
                        new PlatformException(
                            "--kill clickhouse needs a ClickHouse of its own: leave out --clickhouse-url"));
        server.kill9();
        server.start();
      }
    }
  }

  private void killTaskManager(Platform platform) {
    FlinkCluster cluster =
        platform
            .flinkCluster()
            .orElseThrow(
                () ->
                    new PlatformException(
                        "--kill taskmanager needs a cluster of its own: leave out --flink"));
    long restarts = flink().restarts(id);
    cluster.killTaskManager();
    cluster.startTaskManager();
    long end = System.nanoTime() + RECOVERY.toNanos();
    while (flink().restarts(id) == restarts) {
      if (System.nanoTime() > end) {
        throw new PlatformException(
            "the job did not notice its dead TaskManager within "
                + RECOVERY.toMinutes()
                + " minutes");
      }
      Pause.of(Duration.ofMillis(100));
    }
    flink().awaitAllTasksRunning(id, RECOVERY);
  }

  /** Stops the job with a savepoint, and returns its path. */
  public String stop() {
    return deployment.stop();
  }

  /** Cancels the job and waits until it is gone. */
  public void cancel() {
    flink().cancel(id);
    flink().awaitState(id, "CANCELED", RECOVERY);
  }

  private FlinkEndpoint flink() {
    return addresses.flink();
  }

  /** The three-way audit, with the job's own settings. */
  public AuditReport audit() {
    JobConfig config =
        JobConfig.load(
            addresses.jobConfig(),
            Map.of(
                "EXPERIMENT_ETL_SOURCE_PASSWORD", addresses.postgres().password(),
                "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", addresses.clickHouse().password()));
    AuditSettings settings =
        AuditSettings.of(
            config,
            addresses.postgres().jdbcUrl(),
            addresses.postgres().user(),
            addresses.postgres().password(),
            addresses.clickHouse().login().connection(),
            AUDIT);
    try {
      return new Audit(settings).run();
    } catch (CannotCompareException e) {
      throw new PlatformException("the audit: " + e.getMessage(), e);
    }
  }
}
