package io.experimentetl.attribution;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.StatisticsConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The progress of all subtasks of {@code attribute} at the checkpoint.
 *
 * @param greatestSequenceNumber see {@link RowVersionGenerator}
 * @param lastFinding see {@link RowVersionGenerator}
 * @param otherStatistics the settings of the checkpoint; null: they are those of this start, or
 *     there is no checkpoint
 * @param endedMetrics names of metrics that were counted once and are not any more
 * @param seenUntil commit time up to which the source was seen, microseconds since 1970 in UTC
 * @param visible the lowest progress marker of a subtask; null: there is no checkpoint
 * @param truncates of the open transaction
 * @param edits of all subtasks: see {@link DimensionWalk#restore}
 * @param rejoins of all subtasks: see {@link RejoinWalk#restore}
 */
record RestoredProgress(
    long greatestSequenceNumber,
    long lastFinding,
    StatisticsConfig otherStatistics,
    Set<String> endedMetrics,
    long seenUntil,
    ProgressMarker visible,
    List<Truncate> truncates,
    List<UnfinishedEdit> edits,
    List<UnfinishedRejoin> rejoins) {

  /**
   * Combines the subtasks' progress.
   *
   * @throws IllegalStateException the settings in the checkpoint can't be read
   */
  static RestoredProgress of(Iterable<AttributeProgress> subtasks, StatisticsConfig statistics) {
    long greatestSequenceNumber = 0;
    long lastFinding = 0;
    long seenUntil = 0;
    StatisticsConfig otherStatistics = null;
    Set<String> endedMetrics = new TreeSet<>();
    ProgressMarker visible = null;
    List<Truncate> truncates = List.of();
    List<UnfinishedEdit> edits = new ArrayList<>();
    List<UnfinishedRejoin> rejoins = new ArrayList<>();
    String present = SavedStatistics.write(statistics);
    for (AttributeProgress subtask : subtasks) {
      greatestSequenceNumber = Math.max(greatestSequenceNumber, subtask.greatestSequenceNumber());
      lastFinding = Math.max(lastFinding, subtask.lastFinding());
      seenUntil = Math.max(seenUntil, subtask.visible().committedAt());
      truncates = List.of(subtask.truncates());
      edits.addAll(List.of(subtask.edits()));
      rejoins.addAll(List.of(subtask.rejoins()));
      endedMetrics.addAll(List.of(subtask.endedMetrics()));
      if (!subtask.statistics().equals(present)) {
        otherStatistics = SavedStatistics.read(subtask.statistics());
      }
      if (visible == null || subtask.visible().lsn() < visible.lsn()) {
        visible = subtask.visible();
      }
    }
    return new RestoredProgress(
        greatestSequenceNumber,
        lastFinding,
        otherStatistics,
        endedMetrics,
        seenUntil,
        visible,
        truncates,
        edits,
        rejoins);
  }
}
