package io.experimentetl;

import io.experimentetl.audit.AuditReport;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.KafkaConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.config.SourceConfig;
import io.experimentetl.config.SourceType;
import io.experimentetl.local.ClickHouseEndpoint;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.warehouse.Warehouse;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

/** The whole job on its own databases and topics. */
public final class KafkaJob implements AutoCloseable {
  public final PostgresEndpoint postgres;
  public final ClickHouseEndpoint clickHouse;
  public JobConfig config;
  private final JobDatabases databases;
  private final String kafka;
  private final Path folder;
  private JobClient job;

  /**
   * Databases with sql/ applied, and the job's configuration for them.
   *
   * @param source with Kafka, topic names begin with the name of the PostgreSQL database
   */
  public KafkaJob(
      PlatformExtension platform, Path folder, SourceType source, String... heldEventTypes)
      throws Exception {
    this.folder = folder;
    databases = JobDatabases.create(platform, folder, "kafka");
    postgres = databases.postgres();
    clickHouse = databases.clickHouse();
    kafka = platform.kafka().bootstrapServers();
    config =
        databases
            .config()
            .with(SourceConfig::type, source)
            .with(FindingsConfig::grace, Duration.ofSeconds(1))
            .with(KafkaConfig::bootstrapServers, kafka)
            .with(KafkaConfig::sourceTopicPrefix, postgres.database() + ".experiments_")
            .with(KafkaConfig::findingsTopic, postgres.database() + ".findings")
            .with(KafkaConfig::transactionTimeout, Duration.ofMinutes(5))
            .with(OutboxConfig::enabled, true)
            .with(OutboxConfig::topicPrefix, postgres.database() + ".outbox.")
            .with(OutboxConfig::eventTypes, List.of(heldEventTypes))
            .with(OutboxConfig::grace, Duration.ofSeconds(1))
            .build();
    createTopics(
        config.kafka().findingsTopic(),
        config.outbox().topicPrefix() + "event",
        config.outbox().topicPrefix() + "assignment");
  }

  /** Sets how long an outbox row may wait for its acknowledgement. */
  public void stuckAfter(Duration duration) {
    config = ConfigBuilder.from(config).with(OutboxConfig::stuckAfter, duration).build();
  }

  public void createTopics(String... names) throws Exception {
    List<NewTopic> topics = new ArrayList<>();
    for (String name : names) {
      topics.add(new NewTopic(name, 2, (short) 1));
    }
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", (Object) kafka))) {
      admin.createTopics(topics).all().get(60, TimeUnit.SECONDS);
    }
  }

  public void execute(String... statements) throws SQLException {
    databases.execute(statements);
  }

  public long count(String sql) {
    return postgres.count(sql);
  }

  public KafkaSinks kafkaSinks() {
    return KafkaSinks.of(config);
  }

  public void start(KafkaSinks sinks, String savepoint) throws Exception {
    job = submit(config, folder, sinks, savepoint);
  }

  /**
   * Checks the servers, and submits a job.
   *
   * @param folder for its checkpoints
   * @param savepoint null: none
   * @throws PreflightException with all problems
   */
  static JobClient submit(JobConfig config, Path folder, KafkaSinks sinks, String savepoint)
      throws Exception {
    Configuration flink = new Configuration();
    flink.setString("execution.checkpointing.interval", "500 ms");
    // Without a pause a busy machine does nothing else.
    flink.setString("execution.checkpointing.min-pause", "400 ms");
    flink.setString(
        "execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
    flink.setString("state.backend.type", "rocksdb");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "fixed-delay");
    flink.setString("restart-strategy.fixed-delay.attempts", "3");
    flink.setString("restart-strategy.fixed-delay.delay", "200 ms");
    if (savepoint != null) {
      flink.set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint);
    }
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(flink);
    environment.setParallelism(2);
    List<String> problems = ExperimentEtlJob.preflight(config, environment);
    if (!problems.isEmpty()) {
      throw new PreflightException(problems);
    }
    ExperimentEtlPipeline.build(
        config,
        ExperimentEtlJob.source(config, environment, null),
        Warehouse.of(config, environment.getConfiguration()).sinks(),
        sinks);
    return environment.executeAsync();
  }

  public String stopWithSavepoint() throws Exception {
    String savepoint =
        job.stopWithSavepoint(
                false,
                folder.resolve("savepoints").toUri().toString(),
                SavepointFormatType.CANONICAL)
            .get(60, TimeUnit.SECONDS);
    job = null;
    return savepoint;
  }

  public AuditReport audit() {
    return databases.audit(config, Duration.ofMinutes(2));
  }

  @Override
  public void close() throws Exception {
    if (job != null) {
      job.cancel().get(60, TimeUnit.SECONDS);
    }
    databases.endReader();
  }
}
