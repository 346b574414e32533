package io.experimentetl.chaos;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.local.ClickHouseServer;
import io.experimentetl.local.FlinkCluster;
import io.experimentetl.local.Platform;
import io.experimentetl.local.PlatformAddresses;
import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PlatformOptions;
import io.experimentetl.local.PostgresServer;
import io.experimentetl.local.demo.Pause;
import io.experimentetl.local.demo.RunningJob;
import io.experimentetl.local.traffic.TrafficPlan;
import io.experimentetl.operations.FreshStart;
import io.experimentetl.operations.JobDeployment;
import io.experimentetl.operations.OperationsException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The target of the faults: a platform with a highly available JobManager (ZooKeeper), and a job
 * that connects to PostgreSQL and ClickHouse through proxies.
 */
final class ChaosCluster implements AutoCloseable {
  static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(5);
  private static final Duration RECOVERY = Duration.ofMinutes(3);
  private static final int TASKMANAGERS = 2;

  private final Path jar;
  private final ZooKeeperServer zooKeeper;
  private final Platform platform;
  private final FaultProxy toPostgres;
  private final FaultProxy toClickHouse;
  private final PlatformAddresses addresses;
  private RunningJob job;
  private int parallelism = 2;

  private ChaosCluster(Path folder, Path jar, ZooKeeperServer zooKeeper, Platform platform) {
    this.jar = jar;
    this.zooKeeper = zooKeeper;
    this.platform = platform;
    PlatformAddresses direct = platform.addresses();
    this.toPostgres = FaultProxy.to(direct.postgres().host(), direct.postgres().port());
    this.toClickHouse = FaultProxy.to(URI.create(direct.clickHouse().url()));
    this.addresses =
        direct.withJobConfig(
            folder.resolve("job-behind-proxies.yaml"),
            root -> {
              root.withObject("/source").put("host", "127.0.0.1").put("port", toPostgres.port());
              root.withObject("/clickhouse").put("url", toClickHouse.url().toString());
            });
  }

  /**
   * Starts all servers; the job is not submitted yet.
   *
   * @param delivery the job's {@code delivery.mode}
   */
  static ChaosCluster start(Path folder, Path home, Path jar, String delivery) {
    ZooKeeperServer zooKeeper = ZooKeeperServer.start(folder.resolve("zookeeper"));
    try {
      Platform platform = Platform.start(folder, home, options(folder, zooKeeper, delivery));
      return new ChaosCluster(folder, jar, zooKeeper, platform);
    } catch (RuntimeException e) {
      zooKeeper.close();
      throw e;
    }
  }

  private static PlatformOptions options(Path folder, ZooKeeperServer zooKeeper, String delivery) {
    return PlatformOptions.defaults()
        .withoutKafka()
        .withTaskManagers(TASKMANAGERS)
        .withFlinkSetting("taskmanager.memory.process.size", "1728m")
        .withFlinkSetting("high-availability.type", "zookeeper")
        .withFlinkSetting("high-availability.zookeeper.quorum", zooKeeper.quorum())
        .withFlinkSetting(
            "high-availability.storageDir", folder.resolve("flink/ha").toUri().toString())
        .withFlinkSetting("execution.checkpointing.interval", "2 s")
        .withFlinkSetting("heartbeat.interval", "1000")
        .withFlinkSetting("heartbeat.timeout", "6000")
        .withFlinkSetting("restart-strategy.exponential-delay.max-backoff", "3 s")
        .withFlinkSetting(
            "restart-strategy.exponential-delay.attempts-before-reset-backoff", "1000")
        // The optimising compiler is of no use to a process that is killed after a minute.
        .withFlinkSetting("env.java.opts.jobmanager", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .withFlinkSetting("env.java.opts.taskmanager", "-XX:TieredStopAtLevel=1 -XX:+UseParallelGC")
        // Small chunks and batches give a fault many places to occur.
        .withJobSetting("statistics.metrics", TrafficPlan.METRICS)
        .withJobSetting("source.split-size", "2000")
        .withJobSetting("source.heartbeat-interval", "1s")
        .withJobSetting("clickhouse.batch-rows", "5000")
        .withJobSetting("clickhouse.inline-bytes", "16KiB")
        .withJobSetting("delivery.mode", delivery)
        // Rows whose experiment never arrives delay the visible progress by this time.
        .withJobSetting("findings.grace", "3s")
        // A test keeps every part, so a longer linger keeps their number low.
        .withJobSetting("delivery.linger", "500ms")
        .withJobSetting("clickhouse.request-timeout", REQUEST_TIMEOUT.toSeconds() + "s");
  }

  PlatformAddresses addresses() {
    return addresses;
  }

  FlinkCluster flink() {
    return platform.flinkCluster().orElseThrow();
  }

  ClickHouseServer clickHouse() {
    return platform.clickHouseServer().orElseThrow();
  }

  PostgresServer postgres() {
    return platform.postgresServer().orElseThrow();
  }

  FaultProxy toPostgres() {
    return toPostgres;
  }

  FaultProxy toClickHouse() {
    return toClickHouse;
  }

  RunningJob job() {
    return job;
  }

  int parallelism() {
    return parallelism;
  }

  /**
   * Starts ClickHouse again if it has ended: the embedded server ends itself when a connection
   * breaks in the head of a request.
   */
  void revive() {
    if (!clickHouse().isAlive()) {
      clickHouse().start();
    }
  }

  /** Whether the initial snapshot is not visible yet. */
  boolean inSnapshot() {
    return job.warehouse().isInSnapshot();
  }

  /**
   * Cancels the running job, empties the warehouse, and starts without state, with a new snapshot.
   */
  void startWithoutState() {
    if (job != null) {
      flink().endpoint().awaitAllTasksRunning(job.id(), RECOVERY);
      job.cancel();
    }
    new FreshStart(addresses.deployment(jar)).prepare(line -> {});
    job = RunningJob.submit(addresses, jar, Optional.empty(), parallelism, List.of());
    job.warehouse().keepEveryPart();
  }

  /**
   * Stops with a savepoint and continues from it. When the savepoint fails because of an earlier
   * fault, it does what an operator does: it tries again, or starts from the latest state.
   */
  void redeploy(int newParallelism) {
    JobDeployment deployment = new JobDeployment(addresses.deployment(jar), line -> {});
    flink().endpoint().awaitAllTasksRunning(job.id(), RECOVERY);
    long end = System.nanoTime() + RECOVERY.toNanos();
    while (true) {
      try {
        deployment.stop();
        break;
      } catch (OperationsException e) {
        if (System.nanoTime() > end) {
          throw e;
        }
        if (flink().endpoint().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
          break;
        }
        Pause.of(Duration.ofSeconds(1));
        flink().endpoint().awaitAllTasksRunning(job.id(), RECOVERY);
      }
    }
    parallelism = newParallelism;
    job =
        RunningJob.submit(
            addresses,
            jar,
            addresses.deployment(jar).memory().latestState(addresses.flink()),
            newParallelism,
            List.of());
  }

  /** Stops the processes with SIGSTOP, and continues them after the action. */
  void pause(List<Long> pids, Runnable action) {
    try {
      pids.forEach(pid -> signal("STOP", pid));
      action.run();
    } finally {
      pids.forEach(pid -> signal("CONT", pid));
    }
  }

  private static void signal(String name, long pid) {
    try {
      int code = new ProcessBuilder("kill", "-s", name, Long.toString(pid)).start().waitFor();
      if (code != 0) {
        throw new PlatformException("SIG" + name + " to process " + pid + " failed: " + code);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted", e);
    }
  }

  @Override
  public void close() {
    try {
      platform.close();
    } finally {
      toPostgres.close();
      toClickHouse.close();
      zooKeeper.close();
    }
  }
}
