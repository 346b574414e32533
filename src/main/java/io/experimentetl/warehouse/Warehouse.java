package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.BatchLimits;
import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseSink;
import io.experimentetl.clickhouse.JointCommit;
import io.experimentetl.clickhouse.RowEncoder;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentAllocation;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.Finding;
import io.experimentetl.model.SourceTable;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.ReadableConfig;

/** The job's ClickHouse: its tables, and a sink for each. */
public final class Warehouse {
  private static final RowEncoder<EventProcessed> EVENTS = new EventEncoder();
  private static final RowEncoder<AssignmentProcessed> ASSIGNMENTS = new AssignmentEncoder();
  private static final RowEncoder<Change> EXPERIMENTS =
      new DimensionEncoder(SourceTable.EXPERIMENTS);
  private static final RowEncoder<Change> VARIANTS = new DimensionEncoder(SourceTable.VARIANTS);
  private static final RowEncoder<Change> USERS = new DimensionEncoder(SourceTable.USERS);
  private static final RowEncoder<DailyStats> DAILY_STATS = new DailyStatsEncoder();
  private static final RowEncoder<ExperimentHealth> HEALTH = new HealthEncoder();
  private static final RowEncoder<ExperimentAllocation> ALLOCATIONS = new AllocationEncoder();
  private static final RowEncoder<Finding> INCONSISTENCIES = new FindingEncoder();

  private static final List<RowEncoder<?>> ALL =
      List.of(
          EVENTS,
          ASSIGNMENTS,
          EXPERIMENTS,
          VARIANTS,
          USERS,
          DAILY_STATS,
          HEALTH,
          ALLOCATIONS,
          INCONSISTENCIES);

  private final ClickHouseConfig config;
  private final DeliveryConfig delivery;
  private final Duration lagLimit;
  private final String folder;
  private final List<ReplicatedEncoder> replicated;

  private Warehouse(
      ClickHouseConfig config,
      DeliveryConfig delivery,
      Duration lagLimit,
      String folder,
      List<ReplicatedEncoder> replicated) {
    this.replicated = replicated;
    this.config = config;
    this.delivery = delivery;
    this.lagLimit = lagLimit;
    this.folder = folder;
  }

  /**
   * Connects to nothing yet.
   *
   * @param flink the job's; large batches go beside its checkpoints if the configuration names no
   *     other folder, and without checkpoints on a disk they travel inside them
   */
  public static Warehouse of(JobConfig job, ReadableConfig flink) {
    String spill = job.clickhouse().spillDirectory();
    if (spill == null) {
      spill =
          flink
              .getOptional(CheckpointingOptions.CHECKPOINTS_DIRECTORY)
              .map(checkpoints -> checkpoints + "/experiment-etl-batches")
              .orElse("");
    }
    return new Warehouse(
        job.clickhouse(),
        job.delivery(),
        job.findings().health().freshness(),
        spill,
        job.replicate().stream().map(ReplicatedEncoder::new).toList());
  }

  public ClickHouseConnection connection() {
    return connection(config, config.database());
  }

  /** A connection to another database of the same server. */
  public static ClickHouseConnection connection(ClickHouseConfig config, String database) {
    return new ClickHouseConnection(
        URI.create(config.url()),
        database,
        config.username(),
        config.password()::value,
        config.tls());
  }

  public List<TableSchema> schemas() {
    return Stream.concat(ALL.stream(), replicated.stream())
        .<TableSchema>map(RowEncoder::schema)
        .toList();
  }

  public WarehouseSinks sinks() {
    return new WarehouseSinks(
        sink(EVENTS),
        sink(ASSIGNMENTS),
        sink(EXPERIMENTS),
        sink(VARIANTS),
        sink(USERS),
        sink(DAILY_STATS),
        sink(HEALTH),
        sink(ALLOCATIONS),
        sink(INCONSISTENCIES),
        replicated.stream().map(this::sink).toList(),
        new JointCommit(connection(), limits(), lagLimit));
  }

  private <T> ClickHouseSink<T> sink(RowEncoder<T> encoder) {
    ClickHouseSink.Builder<T> builder =
        ClickHouseSink.builder(encoder).connection(connection()).limits(limits()).folder(folder);
    if (delivery.mode() == DeliveryMode.LOW_LATENCY) {
      builder.earlyWrite(delivery.linger());
    }
    return builder.build();
  }

  private BatchLimits limits() {
    BatchLimits defaults = BatchLimits.DEFAULT;
    return new BatchLimits(
        config.batchRows(),
        config.batchBytes(),
        defaults.openPartitions(),
        defaults.openBytes(),
        config.inlineBytes(),
        config.requestTimeout(),
        config.commitDeadline(),
        defaults.probeAfter());
  }
}
