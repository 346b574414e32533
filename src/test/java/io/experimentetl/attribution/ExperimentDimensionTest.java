package io.experimentetl.attribution;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.model.ExperimentRow;
import org.junit.jupiter.api.Test;

class ExperimentDimensionTest {
  private static ExperimentDimension then(
      ExperimentDimension before, String status, long committedAt) {
    return ExperimentDimension.of(
        new ExperimentRow(1, "k", "N", null, status, null, 4, null, null, null, 0, 0),
        "UTC",
        before,
        committedAt);
  }

  @Test
  void eventIsCheckedAgainstTheStatusAtItsTime() {
    ExperimentDimension experiment =
        then(then(then(null, "DRAFT", 10), "ACTIVE", 20), "PAUSED", 30);
    assertThat(experiment.isActiveAt(9)).as("before any status is known").isTrue();
    assertThat(experiment.isActiveAt(10)).isFalse();
    assertThat(experiment.isActiveAt(20)).isTrue();
    assertThat(experiment.isActiveAt(29)).isTrue();
    assertThat(experiment.isActiveAt(30)).isFalse();
  }

  @Test
  void changeWithTheSameStatusKeepsItsTime() {
    ExperimentDimension experiment = then(then(null, "PAUSED", 10), "PAUSED", 20);
    assertThat(experiment.statuses()).containsExactly(new KnownStatus(10, "PAUSED"));
  }

  @Test
  void onlyTheLatestStatusesAreKept() {
    ExperimentDimension experiment = null;
    for (int i = 0; i < 40; i++) {
      experiment = then(experiment, i % 2 == 0 ? "PAUSED" : "ACTIVE", i);
    }
    assertThat(experiment.statuses()).hasSize(16);
    assertThat(experiment.isActiveAt(22)).as("no longer kept").isTrue();
    assertThat(experiment.isActiveAt(24)).isFalse();
    assertThat(experiment.isActiveAt(25)).isTrue();
  }

  @Test
  void experimentWithoutAStatusIsTakenAsActive() {
    assertThat(
            new ExperimentDimension(
                    1, "k", "N", "UTC", null, null, 0, ExperimentDimension.NO_STATUSES)
                .isActiveAt(5))
        .isTrue();
  }
}
