package io.experimentetl.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class AllocationHistoryTest {
  private static final long HOUR = 3_600_000_000L;

  private static Change change(
      ChangeKind kind, long sequence, long committedAt, boolean inStream, VariantRow row) {
    boolean gone = kind == ChangeKind.DELETE;
    return new Change(
        SourceTable.VARIANTS,
        kind,
        sequence,
        new SourcePosition(0, inStream ? sequence : 0, 7, 0, committedAt),
        gone ? row : null,
        gone ? null : row);
  }

  private static VariantRow variant(long id, double weight, long createdAt, long updatedAt) {
    return new VariantRow(id, 1, "v" + id, "V", null, weight, false, null, createdAt, updatedAt);
  }

  private static Change read(long id, double weight, long createdAt, long updatedAt) {
    return change(ChangeKind.READ, 1, 0, false, variant(id, weight, createdAt, updatedAt));
  }

  private static Change update(long sequence, long id, double weight) {
    return change(ChangeKind.UPDATE, sequence, sequence * HOUR, true, variant(id, weight, 0, 0));
  }

  private static AllocationHistory history(Change... changes) {
    AllocationHistory history = AllocationHistory.NONE;
    for (Change change : changes) {
      history = history.after(change);
    }
    return history;
  }

  private static int[] numbers(AllocationHistory history) {
    return Arrays.stream(history.phases()).mapToInt(AllocationPhase::number).toArray();
  }

  @Test
  void variantsOfTheSnapshotMakeOnePhase() {
    AllocationHistory history = history(read(1, 50, 5, 5), read(2, 50, 5, 5));
    assertThat(numbers(history)).containsExactly(1);
    assertThat(history.last().weights()).containsExactly(50, 50);
    assertThat(history.phaseOf(0, Long.MIN_VALUE / 2)).isEqualTo(0);
    assertThat(history.phaseOf(0, -HOUR)).as("assigned before the rows were created").isEqualTo(1);
    assertThat(history.phaseOf(1_000, -HOUR)).isEqualTo(1);
  }

  @Test
  void allocationBeforeAChangedRowOfTheSnapshotIsUnknown() {
    AllocationHistory history = history(read(1, 50, 5, 5), read(2, 50, 5, HOUR));
    assertThat(history.phaseOf(0, HOUR - 1)).isEqualTo(AllocationPhase.UNKNOWN);
    assertThat(history.phaseOf(0, HOUR)).isEqualTo(1);
    assertThat(history.phaseOf(1_000, 0)).as("of the stream").isEqualTo(1);
  }

  @Test
  void assignmentBelongsToThePhaseOfItsPosition() {
    AllocationHistory history =
        history(
            read(1, 90, 5, 5),
            read(2, 10, 5, 5),
            update(100, 1, 50),
            update(108, 2, 50),
            update(200, 1, 0.2));
    assertThat(numbers(history)).containsExactly(1, 2, 3, 4);
    assertThat(history.phaseOf(99, 500 * HOUR)).isEqualTo(1);
    assertThat(history.phaseOf(104, 0)).as("between the two rows").isEqualTo(2);
    assertThat(history.phaseOf(108, 0)).isEqualTo(3);
    assertThat(history.phaseOf(199, 0)).isEqualTo(3);
    assertThat(history.phaseOf(200, 0)).isEqualTo(4);
    assertThat(history.phaseOf(0, 500 * HOUR)).as("only the snapshot read it").isEqualTo(1);
    assertThat(history.phase(3).weights()).containsExactly(50, 50);
  }

  @Test
  void sameRatioIsNoChange() {
    AllocationHistory before = history(read(1, 33, 5, 5), read(2, 33, 5, 5));
    AllocationHistory renamed = before.after(update(100, 1, 33));
    AllocationHistory withUnused = renamed.after(update(108, 3, 0));
    assertThat(numbers(renamed)).containsExactly(1);
    assertThat(numbers(withUnused)).containsExactly(1);
    assertThat(withUnused.phaseOf(500, 0)).isEqualTo(1);
  }

  @Test
  void deletedVariantBeginsAPhase() {
    AllocationHistory history =
        history(
            read(1, 50, 5, 5),
            read(2, 25, 5, 5),
            read(3, 25, 5, 5),
            change(ChangeKind.DELETE, 100, HOUR, true, variant(3, 25, 5, 5)));
    assertThat(numbers(history)).containsExactly(1, 2);
    assertThat(history.last().variantIds()).containsExactly(1, 2);
    assertThat(AllocationHistory.NONE.without(3, update(100, 3, 1)))
        .isSameAs(AllocationHistory.NONE);
  }

  @Test
  void anotherSnapshotGoesOnWithThePhasesOfTheWarehouse() {
    AllocationHistory known =
        new AllocationHistory(
            new AllocationPhase[] {
              phase(1, AllocationPhase.ALWAYS, 90, 10), phase(2, 10 * HOUR, 50, 50)
            },
            0);
    AllocationHistory same =
        known.after(read(1, 50, 5, 10 * HOUR)).after(read(2, 50, 5, 10 * HOUR));
    assertThat(same.phaseOf(0, 9 * HOUR)).isEqualTo(1);
    assertThat(same.phaseOf(0, 11 * HOUR)).isEqualTo(2);
    assertThat(same.phaseOf(1_000, 0)).isEqualTo(2);
    assertThat(same.distinct()).extracting(AllocationPhase::number).containsExactly(1, 2);
    AllocationHistory changed =
        known.after(read(1, 20, 5, 20 * HOUR)).after(read(2, 80, 5, 20 * HOUR));
    assertThat(changed.phaseOf(0, 19 * HOUR)).isEqualTo(2);
    assertThat(changed.phaseOf(0, 21 * HOUR)).isEqualTo(3);
    assertThat(changed.phaseOf(1_000, 0)).isEqualTo(3);
  }

  private static AllocationPhase phase(int number, long fromTime, double... weights) {
    return new AllocationPhase(number, 0, fromTime, new long[] {1, 2}, weights, false);
  }

  @Test
  void correctionMergesAllPhasesSoFar() {
    AllocationHistory history =
        history(read(1, 90, 5, HOUR), read(2, 10, 5, 5), update(100, 1, 50), update(108, 2, 50));
    AllocationHistory merged = history.merged().after(update(200, 1, 10));
    assertThat(merged.judgedAs(AllocationPhase.UNKNOWN)).isEqualTo(3);
    assertThat(merged.judgedAs(1)).isEqualTo(3);
    assertThat(merged.judgedAs(4)).isEqualTo(4);
  }

  @Test
  void numberOfPhasesIsBounded() {
    AllocationHistory history = history(read(1, 50, 5, 5), read(2, 50, 5, 5));
    for (int i = 1; i < AllocationHistory.MAX_PHASES + 50; i++) {
      history = history.after(update(100 + i, 1, i));
    }
    assertThat(history.phases()).hasSize(AllocationHistory.MAX_PHASES);
    assertThat(history.last().weights()).as("unknown").isEmpty();
    assertThat(history.phaseOf(100_000, 0)).isEqualTo(AllocationHistory.MAX_PHASES);
  }
}
