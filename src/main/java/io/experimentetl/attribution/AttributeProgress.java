package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;

/**
 * What a subtask of {@code attribute} must know again after a restart, beside its users; a record
 * of operator state.
 *
 * @param greatestSequenceNumber see {@link RowVersionGenerator}
 * @param lastFinding see {@link RowVersionGenerator}
 * @param visible the cut that was claimed last
 * @param missingExperiments see {@link MissingReferences}
 * @param missingVariants see {@link MissingReferences}
 * @param statistics the settings by which was counted, as text
 * @param endedMetrics names of metrics that were counted and are not any more; null: none
 */
public record AttributeProgress(
    long greatestSequenceNumber,
    long lastFinding,
    ProgressMarker visible,
    long[] missingExperiments,
    long[] missingVariants,
    String statistics,
    String[] endedMetrics) {}
