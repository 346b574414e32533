package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;

/**
 * What a subtask of {@code attribute} needs after a restart beside its users; a record of operator
 * state.
 *
 * @param greatestSequenceNumber see {@link RowVersionGenerator}
 * @param lastFinding see {@link RowVersionGenerator}
 * @param visible the progress marker that was sent last
 * @param missingExperiments see {@link MissingReferences}
 * @param missingVariants see {@link MissingReferences}
 * @param deletedExperiments see {@link MissingReferences}
 * @param deletedVariants see {@link MissingReferences}
 * @param statistics the settings of the statistics: see {@link SavedStatistics}
 * @param endedMetrics names of metrics that were counted once and are not any more
 * @param truncates of the open transaction; the same in all subtasks
 * @param edits see {@link DimensionWalk}
 * @param rejoins see {@link RejoinWalk}
 */
public record AttributeProgress(
    long greatestSequenceNumber,
    long lastFinding,
    ProgressMarker visible,
    long[] missingExperiments,
    long[] missingVariants,
    long[] deletedExperiments,
    long[] deletedVariants,
    String statistics,
    String[] endedMetrics,
    Truncate[] truncates,
    UnfinishedEdit[] edits,
    UnfinishedRejoin[] rejoins) {}
