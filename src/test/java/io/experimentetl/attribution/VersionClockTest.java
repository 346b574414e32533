package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.RowVersion;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class VersionClockTest {

  /** All subtasks start from the greatest version that any of them had given. */
  @Test
  void afterARestartNoTwoSubtasksGiveOneVersionToTheirFindings() {
    Set<Long> versions = new HashSet<>();
    for (int subtask = 0; subtask < 128; subtask++) {
      VersionClock clock = new VersionClock(50, RowVersion.ofStamp(60) + 77, subtask);
      for (int i = 0; i < 20; i++) {
        if (i == 10) {
          clock.observe(100);
        }
        assertThat(versions.add(clock.nextFinding())).isTrue();
      }
    }
    assertThat(versions).allSatisfy(v -> assertThat(v).isGreaterThan(RowVersion.ofStamp(60) + 77));
  }

  /** The first revision says that the source has sent the row so. */
  @Test
  void aCorrectionStandsAboveTheRowAndIsNeverTakenForOneOfTheSource() {
    VersionClock clock = new VersionClock(800, 0, 0);
    long behindOthers = clock.correctionAfter(RowVersion.ofStamp(640));
    long ofTheLatest = clock.correctionAfter(RowVersion.ofStamp(800));
    long again = clock.correctionAfter(ofTheLatest);

    assertThat(List.of(behindOthers, ofTheLatest, again))
        .allSatisfy(
            version -> {
              assertThat(version).isBetween(RowVersion.ofStamp(800), RowVersion.ofStamp(801) - 1);
              assertThat(new RowVersion(640, 0, version, false, "").isRepeatable()).isFalse();
            });
    assertThat(again).isGreaterThan(ofTheLatest);
  }

  @Test
  void aFindingStandsAboveTheOneBeforeAndAboveTheChangeThatShowedIt() {
    VersionClock clock = new VersionClock(0, 0, 5);
    clock.observe(7);
    long first = clock.nextFinding();
    long second = clock.nextFinding();
    assertThat(first).isBetween(RowVersion.ofStamp(7), RowVersion.ofStamp(8) - 1);
    assertThat(second).isGreaterThan(first);
  }
}
