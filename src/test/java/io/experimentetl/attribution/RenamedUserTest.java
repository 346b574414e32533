package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** A user's facts go along to the user's new id. */
class RenamedUserTest {
  private static final String NEW = "u1x";
  private static final String OLD_TIME = "2025-09-01T10:00:00Z";

  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));
  private final EventRow old = exposure(1, CONTROL, OLD_TIME);
  private final EventRow young = purchase(2, JAN_9, "40");

  /** The exposure is beyond its retention, and deleted by it. */
  private void knowFacts() {
    scenario.insert(assignment(CONTROL, "hash", OLD_TIME));
    scenario.insert(old);
    scenario.insert(young);
    scenario.delete(old);
    scenario.throughState();
  }

  private void renameAndFollow() {
    scenario.inOneTransaction(
        () -> {
          scenario.rename(USER, NEW);
          scenario.follow(assignment(CONTROL, "hash", OLD_TIME), NEW);
          scenario.follow(young, NEW);
        });
  }

  private Set<String> visible() {
    Set<String> rows = new TreeSet<>();
    for (EventProcessed row : scenario.visible().values()) {
      rows.add(row.event().userId() + "/" + row.event().id().low());
    }
    return rows;
  }

  private Set<String> visibleAssignments() {
    Set<String> rows = new TreeSet<>();
    scenario
        .out
        .visibleAssignments()
        .forEach(row -> rows.add(row.assignment().userId() + "/" + row.assignment().id()));
    return rows;
  }

  @Test
  void newIdTakesAllFactsAlongAndCountsTheSame() {
    knowFacts();
    Map<DailyKey, DailySums> before = Map.copyOf(scenario.out.daily);
    scenario.out.findings.clear();
    renameAndFollow();
    scenario.throughState();
    scenario.moveRenamed(false);
    scenario.afterGrace();

    assertThat(visible()).containsExactly(NEW + "/1", NEW + "/2");
    assertThat(visibleAssignments()).containsExactly(NEW + "/7");
    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(scenario.out.daily).isEqualTo(before).isNotEmpty();
    assertThat(scenario.out.openCodes()).isEmpty();
    assertThat(scenario.visible().values())
        .allSatisfy(row -> assertThat(row.inconsistencies()).isEmpty());
  }

  @Test
  void laterEventCountsAfterTheExposureUnderTheFormerId() {
    knowFacts();
    renameAndFollow();
    scenario.moveRenamed(false);
    scenario.throughState();
    scenario.insert(purchase(3, JAN_10, "2").withUserId(NEW));

    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-10").valueSum()).isEqualTo(units(2));
  }

  @Test
  void erasingTheNewIdLeavesNothingUnderEither() {
    knowFacts();
    renameAndFollow();
    scenario.moveRenamed(false);
    scenario.throughState();
    scenario.eraseUser(NEW);
    scenario.afterGrace();

    assertThat(visible()).isEmpty();
    assertThat(visibleAssignments()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.health).isEmpty();
    assertThat(scenario.out.openCodes()).contains(FindingCode.C_DELETE_ERASURE);
    // The clean-up removes rows whose newest version has this reason.
    assertThat(scenario.out.eventRows)
        .filteredOn(row -> row.event().id().low() == 1)
        .filteredOn(row -> row.version().deleteReason().equals("erasure"))
        .extracting(row -> row.event().userId())
        .containsExactlyInAnyOrder(USER, NEW);
  }

  @Test
  void erasureBeforeTheFactsAreMovedLeavesNothingEither() {
    knowFacts();
    renameAndFollow();
    scenario.eraseUser(NEW);
    scenario.afterGrace();

    assertThat(visible()).isEmpty();
    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(scenario.out.daily).isEmpty();
  }

  @Test
  void rowThatIsNotVisibleYetIsMovedLater() {
    knowFacts();
    scenario.warehouse.visibleEvents = 0;
    renameAndFollow();
    scenario.moveRenamed(false);

    assertThat(scenario.hasUnmoved()).isTrue();
    assertThat(visible()).containsExactly(USER + "/1", NEW + "/2");

    scenario.throughState();
    scenario.warehouse.visibleEvents = Integer.MAX_VALUE;
    scenario.moveRenamed(false);

    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(visible()).containsExactly(NEW + "/1", NEW + "/2");
  }

  @Test
  void rowThatTheWarehouseHasLostIsReportedAndNotAwaited() {
    knowFacts();
    renameAndFollow();
    scenario.warehouse.loseEvents();
    scenario.moveRenamed(true);

    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(scenario.out.openCodes()).contains(FindingCode.T_LATE_BEYOND_STATE);
  }

  @Test
  void chainOfNewIdsWithinATransactionEndsAtTheLast() {
    knowFacts();
    scenario.inOneTransaction(
        () -> {
          scenario.rename(USER, "temporary");
          scenario.follow(assignment(CONTROL, "hash", OLD_TIME), "temporary");
          scenario.follow(young, "temporary");
          scenario.rename("temporary", NEW);
          scenario.follow(assignment(CONTROL, "hash", OLD_TIME).withUserId("temporary"), NEW);
          scenario.follow(young.withUserId("temporary"), NEW);
        });
    scenario.throughState();
    scenario.moveRenamed(false);

    assertThat(visible()).containsExactly(NEW + "/1", NEW + "/2");
    assertThat(visibleAssignments()).containsExactly(NEW + "/7");
  }

  @Test
  void userWhoGetsTheFirstIdBackHasTheRowsAsBefore() {
    knowFacts();
    renameAndFollow();
    scenario.moveRenamed(false);
    scenario.inOneTransaction(
        () -> {
          scenario.rename(NEW, USER);
          scenario.follow(assignment(CONTROL, "hash", OLD_TIME).withUserId(NEW), USER);
          scenario.follow(young.withUserId(NEW), USER);
        });
    scenario.moveRenamed(false);

    assertThat(visible()).containsExactly(USER + "/1", USER + "/2");
    assertThat(visibleAssignments()).containsExactly(USER + "/7");
  }

  @Test
  void crossoverIsReportedOfTheNewId() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(exposure(3, TREATMENT, JAN_9));
    scenario.rename(USER, NEW);

    assertThat(scenario.out.openFindings())
        .contains("A-CROSSOVER experiment-user:1/" + NEW)
        .doesNotContain("A-CROSSOVER experiment-user:1/" + USER);
  }

  @Test
  void assignmentThatRetentionRemovedGoesAlong() {
    knowFacts();
    scenario.inOneTransaction(
        () -> {
          scenario.rename(USER, NEW);
          scenario.follow(young, NEW);
        });
    scenario.moveRenamed(false);

    assertThat(visibleAssignments()).containsExactly(NEW + "/7");
  }

  /** The variant of the event is not known, so it is pending at the rename. */
  @Test
  void eventWhoseGraceEndsAmidItsRenameIsSentOnceUnderTheNewId() {
    EventRow pending = exposure(4, 77L, JAN_10);
    scenario.insert(pending);
    scenario.inOneTransaction(
        () -> {
          scenario.rename(USER, NEW);
          scenario.afterGrace();
          scenario.follow(pending, NEW);
        });

    assertThat(visible()).containsExactly(NEW + "/4");
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  @Test
  void assignmentWhoseGraceEndsAmidItsRenameIsSentOnceUnderTheNewId() {
    AssignmentRow pending = assignment(77, "hash", JAN_10);
    scenario.insert(pending);
    scenario.inOneTransaction(
        () -> {
          scenario.rename(USER, NEW);
          scenario.afterGrace();
          scenario.follow(pending, NEW);
        });
    scenario.afterGrace();

    assertThat(visibleAssignments()).containsExactly(NEW + "/7");
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  @Test
  void rowThatIsCorrectedBeforeItIsMovedStandsUnderTheNewIdAlone() {
    EventRow flagged = exposure(1, 77L, OLD_TIME);
    scenario.insert(assignment(77, "hash", OLD_TIME));
    scenario.insert(flagged);
    scenario.afterGrace();
    scenario.delete(flagged);
    scenario.rename(USER, NEW);
    scenario.variantArrives(77);

    assertThat(visible()).containsExactly(NEW + "/1");
    assertThat(visibleAssignments()).containsExactly(NEW + "/7");

    scenario.moveRenamed(false);

    assertThat(visible()).containsExactly(NEW + "/1");
    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  /** The rename ends the grace period of the assignment that the flagged event has waited for. */
  @Test
  void eventThatTheRenameItselfCorrectedStandsUnderTheNewIdAlone() {
    EventRow flagged = exposure(1, CONTROL, OLD_TIME);
    scenario.insert(flagged);
    scenario.afterGrace();
    scenario.delete(flagged);
    scenario.insert(assignment(77, "hash", OLD_TIME));
    scenario.rename(USER, NEW);
    scenario.moveRenamed(false);

    assertThat(visible()).containsExactly(NEW + "/1");
    assertThat(scenario.hasUnmoved()).isFalse();
    assertThat(scenario.out.rowsSentAgain()).isEmpty();
  }

  @Test
  void pendingEventThatRetentionRemovedSurvivesARenameAndTheWayBack() {
    EventRow pending = exposure(1, 77L, OLD_TIME);
    scenario.insert(pending);
    scenario.delete(pending);
    scenario.rename(USER, NEW);
    scenario.rename(NEW, USER);
    scenario.afterGrace();

    assertThat(visible()).containsExactly(USER + "/1");
    assertThat(scenario.hasUnmoved()).isFalse();
  }

  @Test
  void eventThatIsInsertedAgainUnderTheNewIdLeavesTheFormerOne() {
    knowFacts();
    scenario.rename(USER, NEW);
    scenario.insert(exposure(1, TREATMENT, OLD_TIME).withUserId(NEW));
    scenario.insert(assignment(TREATMENT, "hash", OLD_TIME).withUserId(NEW));
    scenario.afterGrace();

    assertThat(visible()).containsExactly(USER + "/2", NEW + "/1");
    assertThat(visibleAssignments()).containsExactly(NEW + "/7");
  }

  @Test
  void changedEventTimeOfAnotherMonthIsOneUpdate() {
    scenario.insert(assignment(CONTROL, "hash", "2025-08-01T10:00:00Z"));
    scenario.insert(exposure(1, CONTROL, "2025-08-02T10:00:00Z"));
    EventRow before = purchase(2, OLD_TIME, "50");
    scenario.insert(before);
    scenario.out.findings.clear();
    EventRow after = purchase(2, JAN_8, "50");
    scenario.changeKey(before, after);
    scenario.afterGrace();

    assertThat(visible()).containsExactly(USER + "/1", USER + "/2");
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-08").valueSum()).isEqualTo(units(50));
    assertThat(scenario.figures(CONTROL, "revenue", "2025-09-01").valueSum()).isEqualTo(units(0));
    assertThat(scenario.out.openCodes()).containsExactly(FindingCode.C_UPDATE_IMMUTABLE);
  }
}
