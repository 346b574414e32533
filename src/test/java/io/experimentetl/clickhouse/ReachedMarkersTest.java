package io.experimentetl.clickhouse;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ReachedMarkersTest {
  private final ReachedMarkers markers = new ReachedMarkers(2);

  private void add(String table, int subtask, int parallelism, long sequenceNumber, long lsn) {
    markers.add(
        new SealedMarker(
            table,
            subtask,
            parallelism,
            new ProgressMarker(sequenceNumber, lsn, lsn * 10, lsn < 500, true),
            1000 + lsn));
  }

  @Test
  void markerIsReachedWhenEverySubtaskOfEverySinkHasReachedIt() {
    assertThat(markers.reachedByAll()).isEmpty();
    add("a", 0, 2, 100, 90);
    add("a", 1, 2, 100, 80);
    assertThat(markers.reachedByAll()).as("sink b is behind").isEmpty();
    add("b", 0, 1, 100, 90);
    assertThat(markers.reachedByAll())
        .as("the lowest position and the latest time")
        .contains(new ReachedMarkers.Reached(new ProgressMarker(100, 80, 800, true, false), 1090));
    add("a", 0, 2, 200, 190);
    add("b", 0, 1, 200, 190);
    assertThat(markers.reachedByAll().orElseThrow().marker().sequenceNumber())
        .as("subtask 1 of a is behind")
        .isEqualTo(100);
    add("a", 0, 2, 200, 190);
    assertThat(markers.reachedByAll().orElseThrow().marker().sequenceNumber())
        .as("the same subtask twice")
        .isEqualTo(100);
    add("a", 1, 2, 200, 190);
    assertThat(markers.reachedByAll().orElseThrow().marker().sequenceNumber()).isEqualTo(200);
  }

  @Test
  void snapshotIsDoneWhenItIsForEverySink() {
    add("a", 0, 1, 100, 90);
    add("b", 0, 1, 100, 600);
    assertThat(markers.reachedByAll().orElseThrow().marker().snapshotDone()).isFalse();
  }
}
