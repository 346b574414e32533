package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.RowVersion;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RowVersionGeneratorTest {

  /** All subtasks continue above the greatest version that any of them gave. */
  @Test
  void versionsOfFindingsAreUniqueAmongSubtasksAfterARestart() {
    Set<Long> versions = new HashSet<>();
    for (int subtask = 0; subtask < 128; subtask++) {
      RowVersionGenerator generator =
          new RowVersionGenerator(50, RowVersion.ofSequenceNumber(60) + 77, subtask);
      for (int i = 0; i < 20; i++) {
        if (i == 10) {
          generator.observe(100);
        }
        assertThat(versions.add(generator.nextFinding())).isTrue();
      }
    }
    assertThat(versions)
        .allSatisfy(v -> assertThat(v).isGreaterThan(RowVersion.ofSequenceNumber(60) + 77));
  }

  /** The first revision is that of a row as the source sent it. */
  @Test
  void correctionIsAboveTheRowAndNeverTheFirstRevision() {
    RowVersionGenerator generator = new RowVersionGenerator(800, 0, 0);
    long behindOthers = generator.correctionAfter(RowVersion.ofSequenceNumber(640));
    long ofTheLatest = generator.correctionAfter(RowVersion.ofSequenceNumber(800));
    long again = generator.correctionAfter(ofTheLatest);

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
  void findingIsAboveTheFindingAndTheChangeBefore() {
    RowVersionGenerator generator = new RowVersionGenerator(0, 0, 5);
    generator.observe(7);
    long first = generator.nextFinding();
    long second = generator.nextFinding();
    assertThat(first).isBetween(RowVersion.ofSequenceNumber(7), RowVersion.ofSequenceNumber(8) - 1);
    assertThat(second).isGreaterThan(first);
  }
}
