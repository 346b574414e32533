package io.experimentetl;

import io.experimentetl.attribution.AttributeOperator;
import io.experimentetl.cdc.ChangeTypeInfo;
import io.experimentetl.cdc.PostgresChanges;
import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.cdc.SourceStreams;
import io.experimentetl.clickhouse.JointCommit;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.Finding;
import io.experimentetl.model.HealthContribution;
import io.experimentetl.outbox.OutboxMessage;
import io.experimentetl.outbox.OutboxRelay;
import io.experimentetl.quality.ChangedRowsOperator;
import io.experimentetl.stats.DailyStatsOperator;
import io.experimentetl.stats.ExperimentHealthOperator;
import io.experimentetl.warehouse.WarehouseSinks;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.CheckpointConfig;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.TwoInputStreamOperator;
import org.apache.flink.types.Either;

/**
 * The job graph, and nothing else.
 *
 * <pre>
 *  postgres-changes > source-watch > continuity > route --by user--> attribute --+--> events_processed, assignments_processed
 *                                                   |                            +--by day--> daily-stats > experiment_daily_stats
 *                                                   |                            +--by experiment--> experiment-health > experiment_health_daily, experiment_allocations
 *                                                   |                            +--> data_inconsistencies
 *                                                   |                            +--by experiment--> changed-rows > data_inconsistencies
 *                                                   +--> experiments, variants, users (also from attribute > truncated-users)
 *                                                   +--broadcast--> attribute, daily-stats, experiment-health
 *                                                   +--> checked-events --+
 *                                                   +---------------------+--by subject--> outbox-relay --+--> outbox: Kafka, then processed_at
 *                                                   |                                                     +--> data_inconsistencies
 *                                                   +--> data_inconsistencies (also from experiment-health), findings-topic: the same in Kafka
 *  all tables --> commit
 * </pre>
 */
public final class ExperimentEtlPipeline {
  /** Number of key groups: the parallelism can never be higher, also of a later restore. */
  public static final int MAX_PARALLELISM = 128;

  private ExperimentEtlPipeline() {}

  /**
   * Sets the options that correctness needs; the cluster's configuration sets all others.
   *
   * @return the settings of the cluster that make the job incorrect, each with its remedy
   */
  public static List<String> configure(StreamExecutionEnvironment environment) {
    environment.setMaxParallelism(MAX_PARALLELISM);
    Configuration configuration = new Configuration();
    configuration.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
    configuration.set(PipelineOptions.GENERIC_TYPES, false);
    environment.configure(configuration);

    List<String> problems = new ArrayList<>();
    CheckpointConfig checkpoints = environment.getCheckpointConfig();
    if (!checkpoints.isCheckpointingEnabled()) {
      problems.add(
          "Checkpointing is off: the replication slot would never advance and WAL would fill the"
              + " source's disk. Set execution.checkpointing.interval in Flink's config.yaml.");
    }
    // Without checkpoints Flink 2 calls their mode at-least-once.
    if (checkpoints.isCheckpointingEnabled()
        && checkpoints.getCheckpointingConsistencyMode() != CheckpointingMode.EXACTLY_ONCE) {
      problems.add(
          "Checkpoints are at-least-once: rows could be doubled. Set"
              + " execution.checkpointing.mode: EXACTLY_ONCE in Flink's config.yaml.");
    }
    if (checkpoints.isUnalignedCheckpointsEnabled()) {
      problems.add(
          "Checkpoints are unaligned: rows could overtake progress markers. Set"
              + " execution.checkpointing.unaligned.enabled: false in Flink's config.yaml.");
    }
    return problems;
  }

  /** Builds the graph between a source and the sinks. */
  public static void build(
      JobConfig config, SourceStreams source, WarehouseSinks sinks, KafkaSinks kafka) {
    build(config, StartOptions.NONE, source, sinks, kafka);
  }

  /**
   * Builds the graph between a source and the sinks, for a start that may differ from an ordinary
   * one.
   */
  public static void build(
      JobConfig config,
      StartOptions start,
      SourceStreams source,
      WarehouseSinks sinks,
      KafkaSinks kafka) {
    SingleOutputStreamOperator<Change> routed =
        source
            .changes()
            .transform(
                Uids.ROUTE,
                ChangeTypeInfo.INSTANCE,
                new RouteOperator(
                    MAX_PARALLELISM, config.source().usersTruncate(), config.source().tables()))
            .uid(Uids.ROUTE)
            .forceNonParallel();
    DataStream<Either<ProgressMarker, Change>> dimensions =
        routed.getSideOutput(RouteOperator.DIMENSIONS).broadcast();

    SingleOutputStreamOperator<Either<ProgressMarker, EventProcessed>> attributed =
        besideDimensions(
            Uids.ATTRIBUTE,
            routed.keyBy(RouteOperator::userOf, Types.STRING),
            dimensions,
            AttributeOperator.EVENTS_TYPE,
            new AttributeOperator(config, start.restatedMetrics(), start.knownAllocations()));
    SingleOutputStreamOperator<Either<ProgressMarker, ExperimentHealth>> health =
        health(config, start, attributed, dimensions);
    JointCommit commit = sinks.commit();
    commit.add(attributed, sinks.events());
    commit.add(attributed.getSideOutput(AttributeOperator.ASSIGNMENTS), sinks.assignments());
    commit.add(dailyStats(config, attributed, dimensions), sinks.dailyStats());
    commit.add(health, sinks.health());
    commit.add(health.getSideOutput(ExperimentHealthOperator.ALLOCATIONS), sinks.allocations());
    DataStream<Either<ProgressMarker, Change>> users = users(routed, attributed);
    DataStream<Either<ProgressMarker, Finding>> findings =
        findings(config, routed, attributed, health, kafka).union(source.findings());
    if (!config.replicate().isEmpty()) {
      findings =
          findings.union(new ReplicatedGraph(config, routed, users, dimensions).attach(sinks));
    }
    commit.add(findings, sinks.inconsistencies());
    attachFindingsTopic(findings, kafka);
    commit
        .add(routed.getSideOutput(RouteOperator.EXPERIMENTS), sinks.experiments())
        .setParallelism(1);
    commit.add(routed.getSideOutput(RouteOperator.VARIANTS), sinks.variants()).setParallelism(1);
    commit.add(users, sinks.users()).setParallelism(1);
    commit.build();
  }

  private static void attachFindingsTopic(
      DataStream<Either<ProgressMarker, Finding>> findings, KafkaSinks kafka) {
    if (kafka.findings() != null) {
      findings
          .sinkTo(kafka.findings())
          .name(Uids.FINDINGS_TOPIC)
          .uid(Uids.FINDINGS_TOPIC)
          .setParallelism(1);
    }
  }

  /** The rows of users, with the deletions of those whose table was truncated. */
  private static DataStream<Either<ProgressMarker, Change>> users(
      SingleOutputStreamOperator<Change> routed,
      SingleOutputStreamOperator<Either<ProgressMarker, EventProcessed>> attributed) {
    return routed
        .getSideOutput(RouteOperator.USERS)
        .union(
            attributed
                .getSideOutput(AttributeOperator.TRUNCATED_USERS)
                .map(
                    user -> Either.<ProgressMarker, Change>Right(user.delete()),
                    PostgresChanges.TYPE)
                .name(Uids.TRUNCATED_USERS)
                .uid(Uids.TRUNCATED_USERS));
  }

  /** An operator on keyed rows that also receives every dimension and every progress marker. */
  static <T, K, R> SingleOutputStreamOperator<R> besideDimensions(
      String uid,
      KeyedStream<T, K> rows,
      DataStream<Either<ProgressMarker, Change>> dimensions,
      TypeInformation<R> type,
      TwoInputStreamOperator<T, Either<ProgressMarker, Change>, R> operator) {
    return rows.connect(dimensions).transform(uid, type, operator).uid(uid);
  }

  private static DataStream<Either<ProgressMarker, DailyStats>> dailyStats(
      JobConfig config,
      SingleOutputStreamOperator<Either<ProgressMarker, EventProcessed>> attributed,
      DataStream<Either<ProgressMarker, Change>> dimensions) {
    return besideDimensions(
        Uids.DAILY_STATS,
        attributed
            .getSideOutput(AttributeOperator.CONTRIBUTIONS)
            .keyBy(DailyStatsOperator::keyOf, Types.STRING),
        dimensions,
        DailyStatsOperator.TYPE,
        new DailyStatsOperator(config.statistics()));
  }

  private static SingleOutputStreamOperator<Either<ProgressMarker, ExperimentHealth>> health(
      JobConfig config,
      StartOptions start,
      SingleOutputStreamOperator<Either<ProgressMarker, EventProcessed>> attributed,
      DataStream<Either<ProgressMarker, Change>> dimensions) {
    return besideDimensions(
        Uids.EXPERIMENT_HEALTH,
        attributed
            .getSideOutput(AttributeOperator.HEALTH)
            .keyBy(HealthContribution::experimentId, Types.LONG),
        dimensions,
        ExperimentHealthOperator.TYPE,
        new ExperimentHealthOperator(
            config.findings(),
            config.statistics(),
            start.knownAllocations(),
            start.correctedAllocations()));
  }

  /** The findings of all operators. */
  private static DataStream<Either<ProgressMarker, Finding>> findings(
      JobConfig config,
      SingleOutputStreamOperator<Change> routed,
      SingleOutputStreamOperator<Either<ProgressMarker, EventProcessed>> attributed,
      SingleOutputStreamOperator<Either<ProgressMarker, ExperimentHealth>> health,
      KafkaSinks kafka) {
    DataStream<Either<ProgressMarker, Finding>> findings =
        attributed
            .getSideOutput(AttributeOperator.FINDINGS)
            .union(
                attributed
                    .getSideOutput(AttributeOperator.CHANGED)
                    .keyBy(ChangedRowsOperator::keyOf, Types.STRING)
                    .transform(
                        Uids.CHANGED_ROWS, ChangedRowsOperator.TYPE, new ChangedRowsOperator())
                    .uid(Uids.CHANGED_ROWS),
                health.getSideOutput(ExperimentHealthOperator.FINDINGS),
                routed.getSideOutput(RouteOperator.FINDINGS));
    return kafka.outbox() == null
        ? findings
        : findings.union(relay(config.outbox(), routed, kafka.outbox()));
  }

  /** Relays the outbox and returns the findings about its rows. */
  private static DataStream<Either<ProgressMarker, Finding>> relay(
      OutboxConfig config, SingleOutputStreamOperator<Change> routed, Sink<OutboxMessage> outbox) {
    List<String> checked = config.eventTypes();
    DataStream<Change> rows = routed.getSideOutput(RouteOperator.OUTBOX);
    if (!checked.isEmpty()) {
      rows =
          rows.union(
              routed
                  .filter(change -> OutboxRelay.needsOutboxRow(change, checked))
                  .name(Uids.CHECKED_EVENTS)
                  .uid(Uids.CHECKED_EVENTS)
                  .forceNonParallel());
    }
    SingleOutputStreamOperator<OutboxMessage> relayed =
        rows.keyBy(OutboxRelay::keyOf, Types.STRING)
            .transform(
                Uids.OUTBOX_RELAY, TypeInformation.of(OutboxMessage.class), new OutboxRelay(config))
            .uid(Uids.OUTBOX_RELAY);
    relayed.sinkTo(outbox).name(Uids.OUTBOX).uid(Uids.OUTBOX);
    return relayed.getSideOutput(OutboxRelay.FINDINGS);
  }
}
