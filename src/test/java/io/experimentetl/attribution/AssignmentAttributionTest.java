package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.numbered;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Changes of a user's assignments. */
class AssignmentAttributionTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @Test
  void secondAssignmentIsDeliveredFlaggedAndTheEarliestCounts() {
    scenario.insert(numbered(7, CONTROL, JAN_9));
    scenario.insert(numbered(8, TREATMENT, JAN_8));
    scenario.insert(exposure(1, null, JAN_10));
    assertThat(scenario.out.assignmentRows)
        .extracting(
            row -> row.assignment().id(),
            row -> row.version().deleted(),
            row -> List.of(row.inconsistencies()))
        .containsExactly(
            tuple(7L, false, List.of()), tuple(8L, false, List.of(FindingCode.A_DUP_ASSIGNMENT)));
    assertThat(scenario.out.openFindings()).contains("A-DUP-ASSIGNMENT assignment:8");
    assertThat(scenario.figures(TREATMENT, "conversion", "2026-01-10").newUsers()).isOne();
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-10").newUsers()).isZero();
  }

  @Test
  void assignmentThatOnlyTheWarehouseHasLostIsDeliveredAgainAtItsPlace() {
    scenario.insert(numbered(7, CONTROL, JAN_9));
    scenario.insert(numbered(8, TREATMENT, JAN_10));
    scenario.insert(exposure(1, null, JAN_10));
    List<String> findings = scenario.out.openFindings();
    List<Long> places = places();
    scenario.throughState();
    scenario.out.assignmentRows.clear();
    scenario.reread(SourceTable.ASSIGNMENTS, numbered(7, CONTROL, JAN_9));
    scenario.reread(SourceTable.ASSIGNMENTS, numbered(8, TREATMENT, JAN_10));
    assertThat(places()).isEqualTo(places);
    assertThat(scenario.out.openFindings()).isEqualTo(findings);
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-10").newUsers()).isOne();
  }

  private List<Long> places() {
    return scenario.out.assignmentRows.stream().map(AssignmentProcessed::assignedSequence).toList();
  }

  @Test
  void deletingTheCountedAssignmentLetsTheNextOneCount() {
    AssignmentRow first = numbered(7, CONTROL, JAN_8);
    scenario.insert(first);
    scenario.insert(numbered(8, TREATMENT, JAN_8));
    scenario.insert(exposure(1, null, JAN_10));
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-10").newUsers()).isOne();
    scenario.throughState();
    scenario.delete(first);
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-10").newUsers()).isZero();
    assertThat(scenario.figures(TREATMENT, "conversion", "2026-01-10").newUsers()).isOne();
  }

  @Test
  void bothPendingAssignmentsAreDeliveredWhenTheUserArrives() {
    UserScenario unknown = new UserScenario(UserScenario.config(CrossoverPolicy.EXCLUDE));
    unknown.knowDimensions();
    unknown.insert(numbered(7, CONTROL, JAN_8));
    unknown.insert(numbered(8, TREATMENT, JAN_9));
    unknown.throughState();
    assertThat(unknown.out.assignmentRows).isEmpty();
    unknown.insert(SourceTable.USERS, UserScenario.userRow());
    assertThat(unknown.out.assignmentRows)
        .extracting(row -> row.assignment().id())
        .containsExactly(7L, 8L);
    assertThat(unknown.lowWatermark.rows()).isZero();
  }

  @Test
  void changedVariantMovesTheUserAndIsFlagged() {
    AssignmentRow before = assignment(CONTROL, "hash", JAN_8);
    scenario.insert(before);
    scenario.insert(exposure(1, null, JAN_8));
    scenario.update(before, assignment(TREATMENT, "hash", JAN_8));
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-08")).isEqualTo(DailySums.ZERO);
    assertThat(scenario.figures(TREATMENT, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(scenario.out.openCodes())
        .contains(FindingCode.A_REASSIGNED, FindingCode.R_VARIANT_NULL);
  }
}
