package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.faults.FaultProxy;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.replicate.Replication;
import io.experimentetl.warehouse.DeclaredMetrics;
import io.experimentetl.warehouse.Warehouse;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;

/**
 * The whole job between its own databases on real servers, with a proxy in front of ClickHouse. A
 * checkpoint is taken only when a test asks for one.
 */
final class JobOnServers implements AutoCloseable {
  /** How long a row waits for a missing reference, unless a test sets another time. */
  static final Duration GRACE = Duration.ofSeconds(1);

  private static final Duration DEADLINE = Duration.ofSeconds(90);
  private static final Map<MiniCluster, Integer> LOST_TASK_MANAGERS = new WeakHashMap<>();

  final PostgresEndpoint postgres;
  final ClickHouseEndpoint clickHouse;
  final FaultProxy proxy;
  private final JobDatabases databases;
  private final MiniCluster flink;
  private final Path folder;
  private JobConfig config;
  private List<ReplicatedTable> replicated = List.of();
  private JobClient job;

  /** A cluster with the slots of one job, for a test class to register. */
  static MiniClusterExtension cluster() {
    return new MiniClusterExtension(
        new MiniClusterResourceConfiguration.Builder()
            .setNumberTaskManagers(1)
            .setNumberSlotsPerTaskManager(4)
            .build());
  }

  /** Creates databases with the schema; the job does not run yet. */
  JobOnServers(
      PlatformExtension platform,
      MiniCluster flink,
      Path folder,
      DeliveryConfig delivery,
      Duration grace)
      throws Exception {
    this(JobDatabases.create(platform, folder, "job"), flink, folder, delivery, grace);
  }

  /** The same with databases that have the schema already. */
  JobOnServers(
      JobDatabases databases,
      MiniCluster flink,
      Path folder,
      DeliveryConfig delivery,
      Duration grace)
      throws Exception {
    this(databases, SourceConfig.defaults().tables(), flink, folder, delivery, grace);
  }

  /** The same with other tables than the default ones. */
  JobOnServers(
      JobDatabases databases,
      SourceMapping tables,
      MiniCluster flink,
      Path folder,
      DeliveryConfig delivery,
      Duration grace)
      throws Exception {
    this(databases, tables, StatisticsConfig.defaults(), flink, folder, delivery, grace);
  }

  /** The same with other statistics too. */
  JobOnServers(
      JobDatabases databases,
      SourceMapping tables,
      StatisticsConfig statistics,
      MiniCluster flink,
      Path folder,
      DeliveryConfig delivery,
      Duration grace)
      throws Exception {
    this.flink = flink;
    this.folder = folder;
    this.databases = databases;
    postgres = databases.postgres();
    clickHouse = databases.clickHouse();
    proxy = FaultProxy.to(URI.create(clickHouse.url()));
    config =
        databases
            .config()
            .with(SourceConfig::tables, tables)
            .with(JobConfig::statistics, statistics)
            .with(ClickHouseConfig::url, proxy.url().toString())
            .with(ClickHouseConfig::requestTimeout, Duration.ofSeconds(2))
            .with(FindingsConfig::grace, grace)
            .with(JobConfig::delivery, delivery)
            .build();
  }

  /** Tables that are copied as they are, from the next start on. */
  void replicate(List<ReplicatedTable> tables) {
    replicated = tables;
  }

  /** Other tables and experiments, from the next start on. */
  void bind(SourceMapping tables) {
    config = ConfigBuilder.from(config).with(SourceConfig::tables, tables).build();
  }

  void execute(String... statements) throws SQLException {
    databases.execute(statements);
  }

  /** What was written so far is in the snapshot only. */
  void makeSlotAnew() throws IOException, SQLException {
    databases.makeSlotAnew();
  }

  void start(int parallelism) throws Exception {
    start(parallelism, null);
  }

  /** Stops the job with a savepoint and starts it from there. */
  void redeploy(int parallelism) throws Exception {
    String savepoint =
        job.stopWithSavepoint(
                false,
                folder.resolve("savepoints").toUri().toString(),
                SavepointFormatType.CANONICAL)
            .get(DEADLINE.toSeconds(), TimeUnit.SECONDS);
    start(parallelism, savepoint);
  }

  private void start(int parallelism, String savepoint) throws Exception {
    Configuration configuration = new Configuration();
    if (savepoint != null) {
      configuration.setString("execution.state-recovery.path", savepoint);
    }
    configuration.setString("execution.checkpointing.interval", "1 h");
    configuration.setString("execution.checkpointing.tolerable-failed-checkpoints", "1000");
    configuration.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    configuration.setString("state.backend.type", "rocksdb");
    configuration.setString("pipeline.object-reuse", "true");
    configuration.setString("restart-strategy.type", "fixed-delay");
    configuration.setString("restart-strategy.fixed-delay.attempts", "100");
    configuration.setString("restart-strategy.fixed-delay.delay", "100 ms");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(configuration);
    environment.setParallelism(parallelism);
    JobConfig declared = config.withReplicated(replicated);
    if (!replicated.isEmpty()) {
      // The job's own user may not add a column.
      declared =
          ConfigBuilder.from(declared).with(ClickHouseConfig::username, clickHouse.user()).build();
    }
    Replication.Resolved resolved = ExperimentEtlJob.replicated(declared);
    assertThat(resolved.problems()).isEmpty();
    JobConfig running = declared.withReplicated(resolved.tables());
    assertThat(ExperimentEtlJob.preflight(running, environment)).isEmpty();
    ExperimentEtlPipeline.build(
        running,
        ExperimentEtlJob.source(running, environment, null),
        Warehouse.of(running, environment.getConfiguration()).sinks(),
        KafkaSinks.of(running));
    DeclaredMetrics.write(
        Warehouse.connection(config.clickhouse(), config.clickhouse().database()),
        config.statistics().metrics());
    job = environment.executeAsync();
  }

  /** Takes one checkpoint, and retries until the deadline while the job cannot. */
  void checkpoint() {
    await()
        .atMost(DEADLINE)
        .until(
            () -> {
              try {
                flink.triggerCheckpoint(job.getJobID()).get();
                return true;
              } catch (ExecutionException notNow) {
                failIfEnded();
                return false;
              }
            });
  }

  /**
   * Takes checkpoints until ClickHouse gives the answer, and one more: when it completes, every
   * sink has committed what the answer shows, and a test may assert other tables at once.
   */
  void awaitAnswer(String query, String answer) {
    await()
        .atMost(DEADLINE)
        .untilAsserted(
            () -> {
              checkpoint();
              assertThat(clickHouse.query(query)).as(query).isEqualTo(answer);
            });
    checkpoint();
  }

  /** Names the reason for which the job has ended, instead of a condition that is never met. */
  private void failIfEnded() throws Exception {
    if (job.getJobStatus().get().isGloballyTerminalState()) {
      try {
        job.getJobExecutionResult().get();
      } catch (ExecutionException e) {
        throw new AssertionError("the job has ended", e);
      }
    }
  }

  long completedCheckpoints() throws Exception {
    return flink
        .getExecutionGraph(job.getJobID())
        .get()
        .getCheckpointStatsSnapshot()
        .getCounts()
        .getNumberOfCompletedCheckpoints();
  }

  /** Waits until a restart re-sends every row unchanged. */
  void passSnapshot() {
    await()
        .atMost(DEADLINE)
        .until(
            () -> {
              checkpoint();
              return clickHouse.query("SELECT snapshot_done FROM etl_progress").equals("true");
            });
    // The first checkpoint after the snapshot, and its progress marker.
    checkpoint();
    checkpoint();
  }

  /**
   * The job restarts from its last checkpoint, on a new TaskManager.
   *
   * @param meanwhile statements that are executed while the job has no TaskManager
   */
  void loseTaskManager(String... meanwhile) throws Exception {
    // The cluster numbers TaskManagers from its start, including those that have ended.
    int running = LOST_TASK_MANAGERS.merge(flink, 1, Integer::sum) - 1;
    flink.terminateTaskManager(running).get();
    execute(meanwhile);
    flink.startTaskManager();
  }

  /** Runs the audit while checkpoints continue. */
  AuditReport audit() throws Exception {
    CompletableFuture<AuditReport> audit =
        CompletableFuture.supplyAsync(
            () -> databases.audit(config.withReplicated(replicated), DEADLINE));
    while (true) {
      checkpoint();
      try {
        return audit.get(500, TimeUnit.MILLISECONDS);
      } catch (TimeoutException stillComparing) {
        // It may wait for the progress marker of one more checkpoint.
      }
    }
  }

  /** Closes it behind an audit, which must find no difference. */
  void closeBehindEqualAudit() throws Exception {
    try {
      assertThat(audit().differences()).isEmpty();
    } finally {
      close();
    }
  }

  @Override
  public void close() throws Exception {
    proxy.heal();
    if (job != null) {
      job.cancel().get(60, TimeUnit.SECONDS);
    }
    proxy.close();
    databases.endReader();
  }
}
