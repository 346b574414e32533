package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.numbered;
import static io.experimentetl.attribution.UserScenario.purchase;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import org.junit.jupiter.api.Test;

/** A finding is resolved when its cause is corrected, in whatever row. */
class CorrectedFindingsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  private void assertOpen(FindingCode... codes) {
    assertThat(scenario.out.openCodes()).contains(codes);
  }

  private void assertResolved(FindingCode... codes) {
    assertThat(scenario.out.openCodes()).doesNotContain(codes);
  }

  /** A purchase of a user who was assigned to the control group and exposed before it. */
  private EventRow purchaseWithBadRevenue(long variant) {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    EventRow purchase = event(2, "purchase", variant, JAN_9, "{\"revenue\": \"ten\"}");
    scenario.insert(purchase);
    return purchase;
  }

  @Test
  void correctedTimeOfAnEventResolvesWhatWasFoundOnIt() {
    scenario.experimentRuns(JAN_8, JAN_10);
    scenario.insert(assignment(CONTROL, "hash", JAN_9));
    EventRow tooEarly = exposure(1, CONTROL, "2026-01-07T10:00:00Z");
    scenario.insert(tooEarly);
    assertOpen(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.T_NOT_RUNNING);
    scenario.changeKey(tooEarly, exposure(1, CONTROL, JAN_9));
    assertResolved(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.T_NOT_RUNNING);
    assertOpen(FindingCode.C_UPDATE_IMMUTABLE);
  }

  @Test
  void correctedPropertyAndVariantOfAnEventResolveWhatWasFoundOnIt() {
    EventRow wrong = purchaseWithBadRevenue(TREATMENT);
    assertOpen(FindingCode.S_BAD_PROPERTY, FindingCode.R_VARIANT_MISMATCH);
    scenario.throughState();
    scenario.update(wrong, purchase(2, JAN_9, "10"));
    assertResolved(FindingCode.S_BAD_PROPERTY, FindingCode.R_VARIANT_MISMATCH);
  }

  /**
   * Another subtask may have the other user, and its finding may be sent before this one's half.
   */
  @Test
  void eventThatIsOfAnotherUserNowKeepsItsFindingOpen() {
    EventRow wrong = purchaseWithBadRevenue(CONTROL);
    scenario.apply(SourceTable.EVENTS, ChangeKind.KEY_CHANGE, wrong, null);
    assertOpen(FindingCode.S_BAD_PROPERTY);
  }

  @Test
  void assignmentThatIsOfAnotherUserNowKeepsItsFindingOpen() {
    AssignmentRow overridden = assignment(CONTROL, "override", JAN_9);
    scenario.insert(overridden);
    assertOpen(FindingCode.A_OVERRIDE);
    scenario.apply(SourceTable.ASSIGNMENTS, ChangeKind.KEY_CHANGE, overridden, null);
    assertOpen(FindingCode.A_OVERRIDE);
    scenario.insert(overridden);
    scenario.delete(overridden);
    assertResolved(FindingCode.A_OVERRIDE);
  }

  @Test
  void eventThatHasAnotherTimeNowHasItsFindingThere() {
    EventRow wrong = purchaseWithBadRevenue(CONTROL);
    EventRow moved = event(2, "purchase", CONTROL, JAN_10, "{\"revenue\": \"ten\"}");
    scenario.changeKey(wrong, moved);
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> finding.startsWith("S-BAD-PROPERTY"))
        .singleElement()
        .asString()
        .endsWith("@" + at(JAN_10));
  }

  @Test
  void correctionOfSomethingElseKeepsAFindingOpen() {
    scenario.insert(assignment(CONTROL, "hash", JAN_9));
    EventRow early = event(2, "exposure", CONTROL, JAN_8, "{\"page\": 1}");
    scenario.insert(early);
    scenario.update(early, event(2, "exposure", CONTROL, JAN_8, "{\"page\": 2}"));
    assertOpen(FindingCode.T_EVENT_BEFORE_ASSIGNMENT);
  }

  @Test
  void correctedAssignmentResolvesWhatWasFoundOnItsEvents() {
    AssignmentRow wrong = assignment(TREATMENT, "hash", JAN_10);
    scenario.insert(wrong);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertOpen(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.R_VARIANT_MISMATCH);
    scenario.throughState();
    scenario.update(wrong, assignment(CONTROL, "hash", JAN_8));
    assertResolved(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.R_VARIANT_MISMATCH);
    assertOpen(FindingCode.A_REASSIGNED);
    assertThat(scenario.out.assignmentRows.get(1).inconsistencies())
        .containsExactly(FindingCode.A_REASSIGNED);
  }

  @Test
  void correctedAssignmentResolvesItsOwnFindings() {
    AssignmentRow wrong = assignment(CONTROL, "wheel", JAN_8);
    scenario.insert(wrong);
    assertThat(scenario.out.findings)
        .extracting(finding -> finding.detail())
        .contains("column source: the product does not know the value 'wheel'");
    scenario.update(wrong, assignment(CONTROL, "override", JAN_8));
    assertResolved(FindingCode.S_UNKNOWN_ENUM);
    assertOpen(FindingCode.A_OVERRIDE);
    scenario.update(assignment(CONTROL, "override", JAN_8), assignment(CONTROL, "api", JAN_8));
    assertResolved(FindingCode.A_OVERRIDE);
  }

  @Test
  void correctedDatesOfTheExperimentResolveWhatWasFoundOnItsEvents() {
    scenario.experimentRuns(JAN_9, JAN_10);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, "2026-01-11T10:00:00Z", "1"));
    assertOpen(FindingCode.T_NOT_RUNNING);
    scenario.throughState();
    scenario.experimentRuns(JAN_8, JAN_10);
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> finding.startsWith("T-NOT-RUNNING"))
        .as("only the purchase is outside of the dates still")
        .hasSize(1);
  }

  @Test
  void removedRowLeavesNoOpenFindingAboutItself() {
    scenario.insert(assignment(CONTROL, "hash", JAN_9));
    EventRow early = exposure(1, TREATMENT, JAN_8);
    scenario.insert(early);
    scenario.insert(numbered(8, TREATMENT, JAN_9));
    assertOpen(
        FindingCode.T_EVENT_BEFORE_ASSIGNMENT,
        FindingCode.R_VARIANT_MISMATCH,
        FindingCode.A_DUP_ASSIGNMENT);
    scenario.delete(early);
    scenario.delete(numbered(8, TREATMENT, JAN_9));
    assertThat(scenario.out.openCodes())
        .containsOnly(FindingCode.C_DELETE_UNEXPECTED, FindingCode.T_LATE);
  }

  private static final String FEB_8 = "2026-02-08T10:00:00Z";
  private static final String FEB_9 = "2026-02-09T10:00:00Z";

  private void timePassesBeyond(String time) {
    scenario.committedAt = at(time) + 86_400_000_000L;
  }

  @Test
  void futureTimeThatIsCorrectedWhenItIsPastIsResolved() {
    AssignmentRow assignment = assignment(CONTROL, "hash", FEB_8);
    EventRow event = exposure(1, CONTROL, FEB_9);
    scenario.insert(assignment);
    scenario.insert(event);
    assertOpen(FindingCode.T_FUTURE);
    scenario.throughState();
    timePassesBeyond(FEB_9);
    scenario.changeKey(event, exposure(1, CONTROL, JAN_9));
    assertThat(scenario.out.openFindings()).contains("T-FUTURE assignment:7");
    scenario.update(assignment, assignment(CONTROL, "hash", JAN_8));
    assertResolved(FindingCode.T_FUTURE);
  }

  @Test
  void futureTimeThatIsCorrectedToAnotherFutureTimeIsFoundThere() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow event = exposure(1, CONTROL, FEB_9);
    scenario.insert(event);
    scenario.changeKey(event, exposure(1, CONTROL, FEB_8));
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> finding.startsWith("T-FUTURE"))
        .singleElement()
        .asString()
        .endsWith("@" + at(FEB_8));
  }

  @Test
  void futureRowsThatAreDeletedWhenTheirTimeIsPastLeaveNoFinding() {
    AssignmentRow assignment = assignment(CONTROL, "hash", FEB_8);
    EventRow event = exposure(1, CONTROL, FEB_9);
    scenario.insert(assignment);
    scenario.insert(event);
    scenario.update(event, event(1, "exposure", CONTROL, FEB_9, "{\"page\": 2}"));
    scenario.throughState();
    timePassesBeyond(FEB_9);
    scenario.delete(event(1, "exposure", CONTROL, FEB_9, "{\"page\": 2}"));
    scenario.delete(assignment);
    assertResolved(FindingCode.T_FUTURE);
  }

  @Test
  void rowThatIsNoLongerInTheFutureAndChangesInSomethingElseLosesItsFinding() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow event = exposure(1, CONTROL, FEB_9);
    scenario.insert(event);
    timePassesBeyond(FEB_9);
    scenario.update(event, event(1, "exposure", CONTROL, FEB_9, "{\"page\": 2}"));
    assertResolved(FindingCode.T_FUTURE);
    assertThat(scenario.out.eventRows.get(1).inconsistencies())
        .doesNotContain(FindingCode.T_FUTURE);
  }

  @Test
  void truncateLeavesNoOpenFindingAboutTheRowsThatItTakes() {
    scenario.insert(assignment(TREATMENT, "hash", JAN_9));
    scenario.insert(numbered(8, CONTROL, FEB_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(event(2, "purchase", CONTROL, FEB_9, "{\"revenue\": \"ten\"}"));
    scenario.insert(event(3, "page_view", null, JAN_10, "[1]"));
    scenario.insert(event(3, "page_view", null, JAN_9, "[1]"));
    assertOpen(
        FindingCode.A_DUP_ASSIGNMENT,
        FindingCode.D_DUP_EVENT,
        FindingCode.R_VARIANT_MISMATCH,
        FindingCode.S_BAD_PROPERTY,
        FindingCode.S_UNPARSEABLE,
        FindingCode.T_EVENT_BEFORE_ASSIGNMENT,
        FindingCode.T_FUTURE);
    scenario.throughState();
    timePassesBeyond(FEB_9);
    truncate(SourceTable.EVENTS);
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> !finding.startsWith("T-LATE"))
        .containsExactlyInAnyOrder("A-DUP-ASSIGNMENT assignment:8", "T-FUTURE assignment:8");
    truncate(SourceTable.ASSIGNMENTS);
    assertThat(scenario.out.openCodes()).containsOnly(FindingCode.T_LATE);
  }

  private void truncate(SourceTable table) {
    scenario.inOneTransaction(
        () -> {
          scenario.truncate(table);
          scenario.commitTruncates();
        });
  }

  @Test
  void deletedAssignmentResolvesWhatWasFoundAgainstItOnItsEvents() {
    AssignmentRow wrong = assignment(TREATMENT, "hash", JAN_10);
    scenario.insert(wrong);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertOpen(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.R_VARIANT_MISMATCH);
    scenario.delete(wrong);
    assertResolved(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.R_VARIANT_MISMATCH);
  }

  @Test
  void deletedExperimentResolvesWhatItsDatesHadFound() {
    scenario.experimentRuns(JAN_9, JAN_10);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertOpen(FindingCode.T_NOT_RUNNING);
    scenario.changeDimensions(() -> scenario.dimensions.removeExperiment(EXPERIMENT));
    scenario.rejoin();
    assertThat(scenario.out.openFindings())
        .filteredOn(finding -> !finding.startsWith("T-LATE"))
        .containsExactly("R-ORPHAN-EXPERIMENT experiment:1");
    assertThat(scenario.out.daily).isEmpty();
  }
}
