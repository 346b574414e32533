package io.experimentetl.stats;

import static io.experimentetl.model.FindingCode.H_SRM;
import static io.experimentetl.model.FindingCode.R_ALLOCATION_CHANGED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The sample ratio and the findings over the phases of an allocation. */
class AllocationPhasesTest extends ExperimentHealthHarness {
  private void ninetyToTen() throws Exception {
    experiment(1, "ACTIVE", NOON);
    variant(11, 90, true);
    variant(12, 10, false);
    barrier(NOON);
    assign(11, TODAY - 2, 1, 900);
    assign(12, TODAY - 2, 1, 100);
    barrier(NOON + 1);
  }

  private ExperimentHealth lastRow() {
    List<ExperimentHealth> rows = rows();
    return rows.get(rows.size() - 1);
  }

  @Test
  void rampIsReportedAsAChangeAndNotAsAMismatch() throws Exception {
    ninetyToTen();
    assertThat(phases()).containsExactly("1>1 90 : 10");
    allocate(11, 50, true);
    allocate(12, 50, false);
    assign(11, TODAY, 3, 500);
    assign(12, TODAY, 3, 500);
    barrier(NOON + 2);

    assertThat(reported()).containsExactly(opened(R_ALLOCATION_CHANGED, "experiment:1"));
    assertThat(lastRow().srmChiSquare()).isZero();
    assertThat(lastRow().srmDegreesOfFreedom()).isEqualTo(2);
    assertThat(lastRow().expectedUsers()).containsExactly(1_400, 600);
    assertThat(lastRow().weights()).containsExactly(50, 50);
    assertThat(phases()).containsExactly("1>1 90 : 10", "2>2 50 : 10", "3>3 50 : 50");
    barrier(NOON + 3);
    assertThat(reported()).as("once").isEmpty();
  }

  @Test
  void skewInOnePhaseIsAMismatch() throws Exception {
    ninetyToTen();
    allocate(11, 50, true);
    allocate(12, 50, false);
    assign(11, TODAY, 3, 600);
    assign(12, TODAY, 3, 400);
    barrier(NOON + 2);
    assertThat(reported()).contains(opened(H_SRM, "experiment:1"));
    assertThat(lastRow().srmChiSquare()).isCloseTo(40, within(1e-9));
  }

  @Test
  void usersWithoutKnownAllocationAreNotJudged() throws Exception {
    ninetyToTen();
    assign(11, TODAY - 3, 0, 100);
    assign(12, TODAY - 3, 0, 900);
    barrier(NOON + 2);
    assertThat(reported()).isEmpty();
    assertThat(lastRow().assignedUsers()).containsExactly(1_000, 1_000);
    assertThat(lastRow().expectedUsers()).containsExactly(900, 100);
  }

  @Test
  void correctedWeightHoldsForAllUsersOnAllDaysAndOnlyOnce() throws Exception {
    experiment(1, "ACTIVE", NOON);
    variant(11, 50, true);
    variant(12, 50, false);
    barrier(NOON);
    assign(11, TODAY - 2, 1, 900);
    assign(12, TODAY - 2, 0, 100);
    assign(11, TODAY - 1, 1, 90);
    assign(12, TODAY - 1, 1, 10);
    barrier(NOON + 1);
    assertThat(reported()).contains(opened(H_SRM, "experiment:1"));
    allocate(11, 90, true);
    allocate(12, 10, false);
    barrier(NOON + 2);
    assertThat(reported())
        .as("the old weights still count")
        .contains(opened(R_ALLOCATION_CHANGED, "experiment:1"));

    restart(Map.of(1L, 7L));
    barrier(NOON + 3);
    assertThat(reported()).containsExactly(resolved(H_SRM, "experiment:1"));
    assertThat(rows()).extracting(ExperimentHealth::dayEpoch).contains(TODAY - 2, TODAY - 1);
    assertThat(lastRow().srmChiSquare()).isCloseTo(0, within(1e-9));
    assertThat(lastRow().expectedUsers()).containsExactly(990, 110);
    assertThat(phases()).contains("0>3 90 : 10", "1>3 50 : 50", "3>3 90 : 10");

    allocate(12, 90, false);
    barrier(NOON + 4);
    restart(Map.of(1L, 7L));
    barrier(NOON + 5);
    assign(11, TODAY, 4, 500);
    assign(12, TODAY, 4, 500);
    barrier(NOON + 6);
    assertThat(lastRow().expectedUsers())
        .as("phase 4 is judged by itself")
        .containsExactly(1_490, 610);
  }

  @Test
  void newVariantIsNotMissingBecauseOfUsersAssignedBeforeIt() throws Exception {
    ninetyToTen();
    allocate(13, 100, false);
    assign(11, TODAY, 2, 9);
    assign(12, TODAY, 2, 1);
    barrier(NOON + 2);
    assertThat(reported()).containsExactly(opened(R_ALLOCATION_CHANGED, "experiment:1"));
  }

  @Test
  void deletedVariantKeepsItsWeightInItsPhase() throws Exception {
    ninetyToTen();
    allocate(13, 100, false);
    assign(11, TODAY, 2, 45);
    assign(12, TODAY, 2, 5);
    barrier(NOON + 2);
    change(SourceTable.VARIANTS, ChangeKind.DELETE, variantRow(13, 100, false), null);
    barrier(NOON + 3);
    assertThat(lastRow().variantIds()).containsExactly(11, 12);
    assertThat(lastRow().expectedUsers()).containsExactly(922.5, 102.5);
    assertThat(lastRow().srmChiSquare()).isGreaterThan(40);
  }

  @Test
  void deletedExperimentTakesItsPhasesAlong() throws Exception {
    ninetyToTen();
    phases();
    change(SourceTable.EXPERIMENTS, ChangeKind.DELETE, experimentRow(1, "ACTIVE"), null);
    change(SourceTable.VARIANTS, ChangeKind.DELETE, variantRow(11, 90, true), null);
    barrier(NOON + 2);
    assertThat(phases()).containsExactly("1>1 90 : 10 deleted");
  }
}
