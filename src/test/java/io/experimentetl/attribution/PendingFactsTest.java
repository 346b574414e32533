package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.exposure;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Facts with an unresolved reference. */
class PendingFactsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @Test
  void eventIsPendingUntilItsAssignmentArrives() {
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.visible()).isEmpty();
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(scenario.out.eventRows).hasSize(1);
    assertThat(scenario.out.eventRows.get(0).assignedVariantKey()).isEqualTo("control");
    assertThat(scenario.out.openCodes()).containsOnly(FindingCode.T_LATE);
  }

  @Test
  void eventIsFlaggedAfterTheGraceAndCorrectedByItsAssignment() {
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.afterGrace();
    assertThat(scenario.out.eventRows.get(0).inconsistencies())
        .contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    assertThat(scenario.out.openFindings()).contains("R-ORPHAN-ASSIGNMENT experiment-user:1/u1");
    scenario.throughState();
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    EventProcessed corrected = scenario.visible().values().iterator().next();
    assertThat(corrected.inconsistencies()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
    assertThat(corrected.assignedVariantKey()).isEqualTo("control");
    assertThat(scenario.out.openFindings())
        .doesNotContain("R-ORPHAN-ASSIGNMENT experiment-user:1/u1");
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
  }

  @Test
  void violationsFoundByACorrectionAreReported() {
    scenario.insert(exposure(1, TREATMENT, JAN_8));
    scenario.afterGrace();
    scenario.insert(assignment(CONTROL, "hash", JAN_9));
    EventProcessed corrected = scenario.visible().values().iterator().next();
    assertThat(corrected.inconsistencies())
        .contains(FindingCode.R_VARIANT_MISMATCH, FindingCode.T_EVENT_BEFORE_ASSIGNMENT);
    assertThat(scenario.out.openCodes())
        .contains(FindingCode.R_VARIANT_MISMATCH, FindingCode.T_EVENT_BEFORE_ASSIGNMENT);
  }

  @Test
  void correctedRepetitionStaysARepetition() {
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_9));
    scenario.afterGrace();
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(scenario.visible().values())
        .extracting(row -> List.of(row.inconsistencies()).contains(FindingCode.D_DUP_EVENT))
        .containsExactlyInAnyOrder(true, false);
  }

  @Test
  void missingAssignmentIsClosedWithItsLastFlaggedEvent() {
    EventRow first = exposure(1, CONTROL, JAN_8);
    EventRow second = exposure(2, CONTROL, JAN_8);
    scenario.insert(first);
    scenario.insert(second);
    scenario.afterGrace();
    scenario.delete(first);
    assertThat(scenario.out.openCodes()).contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    scenario.delete(second);
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
  }

  @Test
  void missingAssignmentIsClosedByAnErasure() {
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(exposure(2, CONTROL, JAN_8));
    scenario.afterGrace();
    assertThat(scenario.out.openCodes()).contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    scenario.deleteUser();
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
  }

  @Test
  void eventOfAnUnknownExperimentIsCorrectedWhenItArrives() {
    UserScenario unknown = new UserScenario(UserScenario.config(CrossoverPolicy.EXCLUDE));
    unknown.insert(SourceTable.USERS, UserScenario.userRow());
    unknown.insert(assignment(CONTROL, "hash", JAN_8));
    unknown.insert(exposure(1, CONTROL, JAN_8));
    unknown.afterGrace();
    assertThat(unknown.out.openFindings())
        .contains("R-ORPHAN-EXPERIMENT experiment:1", "R-ORPHAN-VARIANT variant:11");
    unknown.knowDimensions();
    assertThat(unknown.out.openCodes()).containsOnly(FindingCode.T_LATE);
    assertThat(unknown.visible().values().iterator().next().experimentKey()).isEqualTo("exp");
    assertThat(unknown.out.daily).isNotEmpty();
  }

  @Test
  void spilledEventsAreFlaggedAndCorrectedLikeTheOthers() {
    UserScenario bounded = UserScenario.ofKnownUser(UserScenario.holding(2));
    for (int i = 1; i <= 7; i++) {
      bounded.insert(exposure(i, CONTROL, JAN_10));
      bounded.throughState();
    }
    assertThat(bounded.visible()).as("five are delivered flagged").hasSize(5);
    bounded.afterGrace();
    assertThat(bounded.out.openCodes()).containsExactly(FindingCode.R_ORPHAN_ASSIGNMENT);
    assertThat(bounded.visible().values())
        .hasSize(7)
        .allMatch(row -> List.of(row.inconsistencies()).contains(FindingCode.R_ORPHAN_ASSIGNMENT));

    bounded.insert(assignment(CONTROL, "hash", JAN_8));

    assertThat(bounded.visible().values())
        .hasSize(7)
        .allMatch(row -> row.inconsistencies().length == 0 && row.assignedVariantId() == CONTROL);
    assertThat(bounded.out.openFindings()).isEmpty();
    assertThat(bounded.spilled.events).isEmpty();
  }

  @Test
  void deletedSpilledEventsLeaveNoState() {
    UserScenario bounded = UserScenario.ofKnownUser(UserScenario.holding(2));
    for (int i = 1; i <= 5; i++) {
      bounded.insert(exposure(i, CONTROL, JAN_10));
    }
    bounded.afterGrace();
    assertThat(bounded.spilled.events).hasSize(3);

    bounded.delete(exposure(1, CONTROL, JAN_10));
    assertThat(bounded.spilled.events).hasSize(2);
    assertThat(bounded.out.openCodes()).contains(FindingCode.R_ORPHAN_ASSIGNMENT);

    bounded.deleteUser();
    assertThat(bounded.spilled.events).isEmpty();
    assertThat(bounded.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
    bounded.afterGrace();
    assertThat(bounded.keptState().isEmpty()).isTrue();
  }

  @Test
  void earlyConversionIsResolvedByAnEarlierExposure() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(event(2, "conversion", CONTROL, JAN_9, null));
    scenario.afterGrace();
    assertThat(scenario.out.openCodes()).contains(FindingCode.T_CONVERSION_BEFORE_EXPOSURE);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.T_CONVERSION_BEFORE_EXPOSURE);
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-09").newConverters()).isOne();
  }

  @Test
  void updateToNoVariantLeavesTheMissingVariantOpen() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, 99L, JAN_8));
    scenario.afterGrace();
    scenario.update(exposure(1, 99L, JAN_8), exposure(1, null, JAN_8));
    assertThat(scenario.out.openFindings()).contains("R-ORPHAN-VARIANT variant:99");
  }

  @Test
  void progressStopsBeforePendingRows() {
    ProgressMarker marker = new ProgressMarker(5000, 5000, at(JAN_10), true, true);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.lowWatermark.lower(marker).lsn()).isLessThan(marker.lsn());
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(scenario.lowWatermark.lower(marker)).isEqualTo(marker);
  }
}
