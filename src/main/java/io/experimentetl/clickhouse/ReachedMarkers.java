package io.experimentetl.clickhouse;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The markers that the subtasks of a job's sinks have reached at one checkpoint. */
final class ReachedMarkers {

  private final int sinks;
  private final List<SealedMarker> markers = new ArrayList<>();

  /**
   * A marker that all sinks have reached.
   *
   * @param sealedAt when the last of them did, milliseconds since 1970 in UTC
   */
  record Reached(ProgressMarker marker, long sealedAt) {}

  /**
   * Holds no marker yet.
   *
   * @param sinks the number of the job's sinks
   */
  ReachedMarkers(int sinks) {
    this.sinks = sinks;
  }

  void add(SealedMarker marker) {
    markers.add(marker);
  }

  /**
   * The newest marker that every subtask of every sink has reached; empty if there is none, as
   * before the first marker has passed all operators. An operator may lower a marker's position for
   * its rows, so the lowest one counts.
   */
  Optional<Reached> reachedByAll() {
    Map<Long, List<SealedMarker>> bySequence =
        markers.stream().collect(Collectors.groupingBy(m -> m.marker().sequenceNumber()));
    return bySequence.entrySet().stream()
        .filter(same -> isComplete(same.getValue()))
        .max(Map.Entry.comparingByKey())
        .map(same -> lowest(same.getValue()));
  }

  private boolean isComplete(List<SealedMarker> same) {
    Map<String, List<SealedMarker>> byTable =
        same.stream().collect(Collectors.groupingBy(SealedMarker::table));
    return byTable.size() >= sinks
        && byTable.values().stream()
            .allMatch(
                subtasks ->
                    subtasks.stream().map(SealedMarker::subtask).distinct().count()
                        >= subtasks.get(0).parallelism());
  }

  private static Reached lowest(List<SealedMarker> same) {
    return new Reached(
        new ProgressMarker(
            same.get(0).marker().sequenceNumber(),
            same.stream().mapToLong(m -> m.marker().lsn()).min().orElseThrow(),
            same.stream().mapToLong(m -> m.marker().committedAt()).min().orElseThrow(),
            same.stream().allMatch(m -> m.marker().snapshotDone()),
            // Nobody behind the sinks writes early.
            false),
        same.stream().mapToLong(SealedMarker::sealedAt).max().orElseThrow());
  }
}
