package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.RowVersion;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RowVersionGeneratorTest {

  /** All subtasks start from the greatest version that any of them had given. */
  @Test
  void afterARestartNoTwoSubtasksGiveOneVersionToTheirFindings() {
    Set<Long> versions = new HashSet<>();
    for (int subtask = 0; subtask < 128; subtask++) {
      RowVersionGenerator clock =
          new RowVersionGenerator(50, RowVersion.ofSequenceNumber(60) + 77, subtask);
      for (int i = 0; i < 20; i++) {
        if (i == 10) {
          clock.observe(100);
        }
        assertThat(versions.add(clock.nextFinding())).isTrue();
      }
    }
    assertThat(versions)
        .allSatisfy(v -> assertThat(v).isGreaterThan(RowVersion.ofSequenceNumber(60) + 77));
  }

  /** The first revision says that the source has sent the row so. */
  @Test
  void aCorrectionStandsAboveTheRowAndIsNeverTakenForOneOfTheSource() {
    RowVersionGenerator clock = new RowVersionGenerator(800, 0, 0);
    long behindOthers = clock.correctionAfter(RowVersion.ofSequenceNumber(640));
    long ofTheLatest = clock.correctionAfter(RowVersion.ofSequenceNumber(800));
    long again = clock.correctionAfter(ofTheLatest);

    assertThat(List.of(behindOthers, ofTheLatest, again))
        .allSatisfy(
            version -> {
              assertThat(version)
                  .isBetween(
                      RowVersion.ofSequenceNumber(800), RowVersion.ofSequenceNumber(801) - 1);
              assertThat(new RowVersion(640, 0, version, false, "").isReplayStable()).isFalse();
            });
    assertThat(again).isGreaterThan(ofTheLatest);
  }

  @Test
  void aFindingStandsAboveTheOneBeforeAndAboveTheChangeThatShowedIt() {
    RowVersionGenerator clock = new RowVersionGenerator(0, 0, 5);
    clock.observe(7);
    long first = clock.nextFinding();
    long second = clock.nextFinding();
    assertThat(first).isBetween(RowVersion.ofSequenceNumber(7), RowVersion.ofSequenceNumber(8) - 1);
    assertThat(second).isGreaterThan(first);
  }
}
