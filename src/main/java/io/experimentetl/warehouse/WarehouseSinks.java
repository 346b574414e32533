package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseSink;
import io.experimentetl.clickhouse.JointCommit;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.Change;
import io.experimentetl.model.DailyStats;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.ExperimentAllocation;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.Finding;
import java.util.List;

/**
 * The sinks of the pipeline's rows, one per table, and their committer.
 *
 * @param replicated of the replicated tables, in the order of their configuration
 * @param commit for one pipeline; it has no sinks yet
 */
public record WarehouseSinks(
    ClickHouseSink<EventProcessed> events,
    ClickHouseSink<AssignmentProcessed> assignments,
    ClickHouseSink<Change> experiments,
    ClickHouseSink<Change> variants,
    ClickHouseSink<Change> users,
    ClickHouseSink<DailyStats> dailyStats,
    ClickHouseSink<ExperimentHealth> health,
    ClickHouseSink<ExperimentAllocation> allocations,
    ClickHouseSink<Finding> inconsistencies,
    List<ClickHouseSink<Change>> replicated,
    JointCommit commit) {}
