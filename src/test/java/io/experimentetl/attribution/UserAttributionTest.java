package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import java.math.BigInteger;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.Test;

class UserAttributionTest {
  private static final String JAN_8 = "2026-01-08T10:00:00Z";
  private static final String JAN_9 = "2026-01-09T10:00:00Z";
  private static final String JAN_10 = "2026-01-10T10:00:00Z";

  private final UserScenario history = UserScenario.ofKnownUser(config(CrossoverPolicy.EXCLUDE));

  static JobConfig config(CrossoverPolicy policy) {
    return config(StatisticsConfig.defaults().withCrossover(policy));
  }

  static JobConfig config(StatisticsConfig statistics) {
    return ConfigBuilder.defaults().with(JobConfig::statistics, statistics).build();
  }

  /** At most this many rows of one user wait for a reference. */
  static JobConfig holding(int pendingPerUser) {
    return ConfigBuilder.defaults().with(FindingsConfig::pendingPerUser, pendingPerUser).build();
  }

  @Test
  void aUserWithMoreEventsOnADayThanAPersonMakesIsFoundOnce() {
    UserScenario bot = UserScenario.ofKnownUser(withBotsOf(3));
    bot.insert(assignment(CONTROL, "hash", JAN_8));
    for (int id = 1; id <= 3; id++) {
      bot.insert(event(id, "page_view", CONTROL, JAN_8, null));
    }
    bot.insert(event(4, "page_view", CONTROL, JAN_9, null));
    assertThat(bot.out.openFindings()).doesNotContain("H-BOT experiment-user:1/u1");
    bot.insert(event(5, "page_view", CONTROL, JAN_8, null));
    bot.insert(event(6, "page_view", CONTROL, JAN_8, null));
    assertThat(bot.out.findings)
        .filteredOn(finding -> finding.code() == FindingCode.H_BOT)
        .extracting(Finding::subject)
        .containsExactly(Subject.experimentUser(1, "u1"));
  }

  private static JobConfig withBotsOf(int eventsPerDay) {
    return ConfigBuilder.defaults().with(HealthConfig::botEventsPerDay, eventsPerDay).build();
  }

  private DailySums figures(long variant, String metric, String day) {
    return history.out.daily.getOrDefault(
        new DailyKey(EXPERIMENT, variant, metric, (int) LocalDate.parse(day).toEpochDay()),
        DailySums.ZERO);
  }

  private static BigInteger units(long number) {
    return BigInteger.valueOf(number).multiply(BigInteger.TEN.pow(6));
  }

  private static EventRow exposure(int id, Long variant, String at) {
    return event(id, "exposure", variant, at, null);
  }

  private static EventRow purchase(int id, String at, String revenue) {
    return event(id, "purchase", CONTROL, at, "{\"revenue\": " + revenue + "}");
  }

  @Test
  void anExposedUserWhoConvertsCountsOnTheDaysOfExposureAndConversion() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(event(2, "conversion", CONTROL, JAN_9, null));
    assertThat(figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(figures(CONTROL, "conversion", "2026-01-08").newConverters()).isZero();
    assertThat(figures(CONTROL, "conversion", "2026-01-09").newConverters()).isOne();
    assertThat(figures(CONTROL, "conversion", "2026-01-09").dSum()).isEqualTo(units(1));
    assertThat(history.out.openFindings())
        .containsExactly(
            "T-LATE experiment-day:1/2026-01-08", "T-LATE experiment-day:1/2026-01-09");
  }

  @Test
  void squaresOfTotalsGrowByTwiceTheTotalTimesTheValuePlusItsSquare() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(purchase(2, JAN_8, "3"));
    history.insert(purchase(3, JAN_9, "4"));
    DailySums first = figures(CONTROL, "revenue", "2026-01-08");
    DailySums second = figures(CONTROL, "revenue", "2026-01-09");
    assertThat(first.dSumSq().add(second.dSumSq()))
        .isEqualTo(BigInteger.valueOf(49).multiply(BigInteger.TEN.pow(12)));
  }

  @Test
  void aLateEventRestatesItsDayAndTheLaterDaysOnWhichTheUserWasActive() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(purchase(3, JAN_10, "4"));
    history.insert(purchase(2, JAN_9, "3"));
    assertThat(figures(CONTROL, "revenue", "2026-01-10").dSumSq())
        .isEqualTo(BigInteger.valueOf(2 * 3 * 4 + 16).multiply(BigInteger.TEN.pow(12)));
    assertThat(figures(CONTROL, "revenue", "2026-01-10").newConverters()).isZero();
  }

  @Test
  void aCrossoverLeavesAllEarlierDaysUnderExclude() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(exposure(2, TREATMENT, JAN_9));
    assertThat(history.out.daily).isEmpty();
    assertThat(history.out.openFindings())
        .contains("A-CROSSOVER experiment-user:1/u1")
        .anyMatch(finding -> finding.startsWith("R-VARIANT-MISMATCH event:"));
  }

  @Test
  void aCrossoverThatIsTakenBackCountsAgainAndItsFindingCloses() {
    EventRow stray = exposure(2, TREATMENT, JAN_9);
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(stray);
    history.delete(stray);
    assertThat(figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(history.out.openFindings()).doesNotContain("A-CROSSOVER experiment-user:1/u1");
  }

  @Test
  void anOverriddenAssignmentDoesNotCountAndIsFlagged() {
    history.insert(assignment(CONTROL, "override", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.out.daily).isEmpty();
    assertThat(history.out.openFindings()).contains("A-OVERRIDE assignment:7");
  }

  private static AssignmentRow numbered(long id, long variant, String assignedAt) {
    return new AssignmentRow(
        id, EXPERIMENT, USER, variant, 1, "api", null, at(assignedAt), null, 0, 0);
  }

  @Test
  void ofTwoAssignmentsOfOneUserBothStandAndTheEarliestCounts() {
    history.insert(numbered(7, CONTROL, JAN_9));
    history.insert(numbered(8, TREATMENT, JAN_8));
    history.insert(exposure(1, null, JAN_10));
    assertThat(history.out.assignmentRows)
        .extracting(
            row -> row.assignment().id(),
            row -> row.version().deleted(),
            row -> List.of(row.inconsistencies()))
        .containsExactly(
            tuple(7L, false, List.of()), tuple(8L, false, List.of(FindingCode.A_DUP_ASSIGNMENT)));
    assertThat(history.out.openFindings()).contains("A-DUP-ASSIGNMENT assignment:8");
    assertThat(figures(TREATMENT, "conversion", "2026-01-10").newUsers()).isOne();
    assertThat(figures(CONTROL, "conversion", "2026-01-10").newUsers()).isZero();
  }

  @Test
  void deletingTheAssignmentThatCountsHandsOverToTheNext() {
    AssignmentRow first = numbered(7, CONTROL, JAN_8);
    history.insert(first);
    history.insert(numbered(8, TREATMENT, JAN_8));
    history.insert(exposure(1, null, JAN_10));
    assertThat(figures(CONTROL, "conversion", "2026-01-10").newUsers()).isOne();
    history.throughState();
    history.delete(first);
    assertThat(figures(CONTROL, "conversion", "2026-01-10").newUsers()).isZero();
    assertThat(figures(TREATMENT, "conversion", "2026-01-10").newUsers()).isOne();
  }

  @Test
  void twoAssignmentsThatWaitForTheUserBothGoOut() {
    UserScenario unknown = new UserScenario(config(CrossoverPolicy.EXCLUDE));
    unknown.knowDimensions();
    unknown.insert(numbered(7, CONTROL, JAN_8));
    unknown.insert(numbered(8, TREATMENT, JAN_9));
    unknown.throughState();
    assertThat(unknown.out.assignmentRows).isEmpty();
    unknown.insert(SourceTable.USERS, UserScenario.userRow());
    assertThat(unknown.out.assignmentRows)
        .extracting(row -> row.assignment().id())
        .containsExactly(7L, 8L);
    assertThat(unknown.floor.rows()).isZero();
  }

  @Test
  void anErasureBuriesEveryAssignmentOfTheUser() {
    history.insert(numbered(7, CONTROL, JAN_8));
    history.insert(numbered(8, TREATMENT, JAN_9));
    history.deleteUser();
    assertThat(history.out.assignmentRows)
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.assignment().id())
        .containsExactlyInAnyOrder(7L, 8L);
    assertThat(history.out.daily).isEmpty();
  }

  @Test
  void aUserWhoWasEnrolledHoursAwayFromTheFirstExposureIsFoundUntilBothAgree() {
    AssignmentRow enrolled = enrolledAt("2026-01-08T08:00:00Z");
    history.insert(enrolled);
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.T_ENROLL_MISMATCH);
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.out.openFindings()).contains("T-ENROLL-MISMATCH experiment-user:1/u1");
    history.throughState();
    history.update(enrolled, enrolledAt("2026-01-08T10:30:00Z"));
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.T_ENROLL_MISMATCH);
  }

  private static AssignmentRow enrolledAt(String time) {
    return new AssignmentRow(
        7, EXPERIMENT, USER, CONTROL, 1, "hash", null, at(JAN_8), at(time), 0, 0);
  }

  @Test
  void aCopyOfTheAssignmentsTimeThatIsCorrectedClosesItsFinding() {
    EventRow drifted = copying(1, JAN_9);
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(drifted);
    assertThat(history.out.openCodes()).contains(FindingCode.T_ASSIGNMENT_AT_DRIFT);
    history.update(drifted, copying(1, JAN_8));
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.T_ASSIGNMENT_AT_DRIFT);
  }

  private static EventRow copying(int id, String assignmentAt) {
    return new EventRow(
        UserScenario.id(id),
        at(JAN_9),
        EXPERIMENT,
        USER,
        CONTROL,
        "page_view",
        at(assignmentAt),
        null,
        null,
        null);
  }

  @Test
  void anEventWithoutAssignmentWaitsAndGoesOutWholeWhenTheAssignmentComes() {
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.visible()).isEmpty();
    history.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(history.out.eventRows).hasSize(1);
    assertThat(history.out.eventRows.get(0).assignedVariantKey()).isEqualTo("control");
    assertThat(history.out.openCodes()).containsOnly(FindingCode.T_LATE);
  }

  @Test
  void afterTheGracePeriodItGoesOutFlaggedAndIsCorrectedWhenTheAssignmentComes() {
    history.insert(exposure(1, CONTROL, JAN_8));
    history.afterGrace();
    assertThat(history.out.eventRows.get(0).inconsistencies())
        .contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    assertThat(history.out.openFindings()).contains("R-ORPHAN-ASSIGNMENT experiment-user:1/u1");
    history.throughState();
    history.insert(assignment(CONTROL, "hash", JAN_8));
    EventProcessed corrected = history.visible().values().iterator().next();
    assertThat(corrected.inconsistencies()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
    assertThat(corrected.assignedVariantKey()).isEqualTo("control");
    assertThat(history.out.openFindings())
        .doesNotContain("R-ORPHAN-ASSIGNMENT experiment-user:1/u1");
    assertThat(figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
  }

  @Test
  void whatACorrectionPutsOnTheRowIsAnOpenFindingToo() {
    history.insert(exposure(1, TREATMENT, JAN_8));
    history.afterGrace();
    history.insert(assignment(CONTROL, "hash", JAN_9));
    EventProcessed corrected = history.visible().values().iterator().next();
    assertThat(corrected.inconsistencies())
        .contains(FindingCode.R_VARIANT_MISMATCH, FindingCode.T_EVENT_BEFORE_ASSIGNMENT);
    assertThat(history.out.openCodes())
        .contains(FindingCode.R_VARIANT_MISMATCH, FindingCode.T_EVENT_BEFORE_ASSIGNMENT);
  }

  @Test
  void aCorrectedRepetitionStaysOne() {
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(exposure(1, CONTROL, JAN_9));
    history.afterGrace();
    history.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(history.visible().values())
        .extracting(row -> List.of(row.inconsistencies()).contains(FindingCode.D_DUP_EVENT))
        .containsExactlyInAnyOrder(true, false);
  }

  @Test
  void aLackingAssignmentIsResolvedWhenTheLastEventThatLackedItIsDeleted() {
    EventRow first = exposure(1, CONTROL, JAN_8);
    EventRow second = exposure(2, CONTROL, JAN_8);
    history.insert(first);
    history.insert(second);
    history.afterGrace();
    history.delete(first);
    assertThat(history.out.openCodes()).contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    history.delete(second);
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
  }

  @Test
  void aLackingAssignmentIsResolvedWhenTheUserIsErased() {
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(exposure(2, CONTROL, JAN_8));
    history.afterGrace();
    assertThat(history.out.openCodes()).contains(FindingCode.R_ORPHAN_ASSIGNMENT);
    history.deleteUser();
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_ASSIGNMENT);
  }

  @Test
  void anEventOfAnUnknownExperimentIsCorrectedWhenTheExperimentComes() {
    UserScenario unknown = new UserScenario(config(CrossoverPolicy.EXCLUDE));
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
  void moreEventsThanAreHeldGoOutFlaggedAndAreCorrectedLikeTheOthers() {
    UserScenario bounded = UserScenario.ofKnownUser(holding(2));
    for (int i = 1; i <= 7; i++) {
      bounded.insert(exposure(i, CONTROL, JAN_10));
      bounded.throughState();
    }
    assertThat(bounded.visible()).as("five had to go out").hasSize(5);
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
  void ofSpilledEventsNothingIsKeptWhenTheyAreDeletedOrTheirUserIsErased() {
    UserScenario bounded = UserScenario.ofKnownUser(holding(2));
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
    assertThat(bounded.keptState()).isNull();
  }

  @Test
  void aConversionBeforeItsExposureIsFlaggedAndResolvedWhenAnEarlierExposureComes() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(event(2, "conversion", CONTROL, JAN_9, null));
    history.afterGrace();
    assertThat(history.out.openCodes()).contains(FindingCode.T_CONVERSION_BEFORE_EXPOSURE);
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.T_CONVERSION_BEFORE_EXPOSURE);
    assertThat(figures(CONTROL, "conversion", "2026-01-09").newConverters()).isOne();
  }

  @Test
  void anEventIdCountsOnceAtItsEarliestTime() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(purchase(2, JAN_10, "5"));
    history.insert(purchase(2, JAN_9, "5"));
    assertThat(figures(CONTROL, "revenue", "2026-01-09").events()).isOne();
    assertThat(figures(CONTROL, "revenue", "2026-01-10").events()).isZero();
    assertThat(history.out.openCodes()).contains(FindingCode.D_DUP_EVENT);
  }

  @Test
  void twoContentsOfOneEventIdConflict() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(purchase(2, JAN_9, "5"));
    history.insert(purchase(2, JAN_10, "6"));
    assertThat(history.out.openCodes()).contains(FindingCode.D_CONFLICTING_DUP);
  }

  @Test
  void theSameRowAgainFromSnapshotAndStreamGoesOutOnce() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.throughState();
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.out.eventRows).hasSize(1);
  }

  @Test
  void badPropertiesAreNamedAndDoNotCount() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(purchase(2, JAN_9, "-1"));
    history.insert(purchase(3, JAN_9, "\"12\""));
    history.insert(purchase(4, JAN_9, "1000000000000"));
    history.insert(event(5, "purchase", CONTROL, JAN_9, "[1]"));
    assertThat(history.out.openCodes().stream().filter(FindingCode.S_BAD_PROPERTY::equals))
        .hasSize(4);
    assertThat(history.out.openCodes()).contains(FindingCode.S_UNPARSEABLE);
    assertThat(figures(CONTROL, "revenue", "2026-01-09")).isEqualTo(DailySums.ZERO);
  }

  @Test
  void futureAndBackDatedEventsAreNamed() {
    history.insert(assignment(CONTROL, "hash", JAN_9));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(exposure(2, CONTROL, "2026-02-01T00:00:00Z"));
    assertThat(history.out.openCodes())
        .contains(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.T_FUTURE, FindingCode.T_LATE);
  }

  @Test
  void aChangedVariantOfAnAssignmentMovesTheUserAndIsFlagged() {
    AssignmentRow before = assignment(CONTROL, "hash", JAN_8);
    history.insert(before);
    history.insert(exposure(1, null, JAN_8));
    history.update(before, assignment(TREATMENT, "hash", JAN_8));
    assertThat(figures(CONTROL, "conversion", "2026-01-08")).isEqualTo(DailySums.ZERO);
    assertThat(figures(TREATMENT, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(history.out.openCodes())
        .contains(FindingCode.A_REASSIGNED, FindingCode.R_VARIANT_NULL);
  }

  @Test
  void anErasedUserLeavesTombstonesAndNoFigures() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    history.insert(exposure);
    history.inOneTransaction(
        () -> {
          history.deleteUser();
          history.delete(exposure);
          history.delete(assignment(CONTROL, "hash", JAN_8));
        });
    history.afterGrace();
    assertThat(history.visible()).isEmpty();
    assertThat(history.out.daily).isEmpty();
    assertThat(history.out.health).isEmpty();
    assertThat(history.out.openCodes())
        .contains(FindingCode.C_DELETE_ERASURE)
        .doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
    assertThat(history.out.eventRows.get(1).version().deleteReason()).isEqualTo("erasure");
  }

  @Test
  void anErasureThatDeletesTheUserLastIsAnErasureToo() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    history.insert(exposure);
    history.inOneTransaction(
        () -> {
          history.delete(exposure);
          history.deleteUser();
        });
    history.afterGrace();
    assertThat(history.visible()).isEmpty();
    assertThat(history.out.openCodes()).doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
  }

  /** Before a restart they may have found it, and have been written through. */
  @Test
  void anErasureBuriesWhatStillWaitsForAReference() {
    history.insert(assignment(99, "hash", JAN_8));
    history.insert(exposure(1, 99L, JAN_8));
    assertThat(history.out.eventRows).isEmpty();
    history.deleteUser();
    assertThat(history.out.eventRows)
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleted()).isTrue());
    assertThat(history.out.assignmentRows)
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleted()).isTrue());
  }

  @Test
  void retentionDeleteKeepsTheWarehouseRow() {
    EventRow old = exposure(1, CONTROL, "2025-09-01T10:00:00Z");
    history.insert(assignment(CONTROL, "hash", "2025-09-01T10:00:00Z"));
    history.insert(old);
    history.delete(old);
    history.afterGrace();
    assertThat(history.visible()).hasSize(1);
    assertThat(history.out.daily).isNotEmpty();
    assertThat(history.out.openFindings())
        .contains("C-DELETE-RETENTION table-day:events/2025-09-01");
  }

  @Test
  void anErasureForgetsWhatRetentionHadKept() {
    EventRow old = exposure(1, CONTROL, "2025-09-01T10:00:00Z");
    history.insert(assignment(CONTROL, "hash", "2025-09-01T10:00:00Z"));
    history.insert(old);
    history.delete(old);
    history.throughState();
    history.deleteUser();
    assertThat(history.visible()).isEmpty();
    assertThat(history.out.daily).isEmpty();
  }

  @Test
  void anUnexpectedDeleteIsAppliedAndFlagged() {
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure);
    history.delete(exposure);
    history.afterGrace();
    assertThat(history.visible()).isEmpty();
    assertThat(history.out.daily).isEmpty();
    assertThat(history.out.openCodes()).contains(FindingCode.C_DELETE_UNEXPECTED);
  }

  @Test
  void anUpdatedEventIsRestatedAndFlagged() {
    EventRow before = purchase(2, JAN_9, "5");
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    history.insert(before);
    history.update(before, purchase(2, JAN_9, "7"));
    assertThat(figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(7));
    assertThat(history.out.openCodes()).contains(FindingCode.C_UPDATE_IMMUTABLE);
  }

  @Test
  void aCutDoesNotClaimWhatWaits() {
    ProgressMarker marker = new ProgressMarker(5000, 5000, at(JAN_10), true, true);
    history.insert(exposure(1, CONTROL, JAN_8));
    assertThat(history.floor.lower(marker).lsn()).isLessThan(marker.lsn());
    history.insert(assignment(CONTROL, "hash", JAN_8));
    assertThat(history.floor.lower(marker)).isEqualTo(marker);
  }

  @Test
  void nothingIsKeptOfAnErasedUser() {
    history.insert(assignment(CONTROL, "hash", JAN_8));
    history.insert(exposure(1, CONTROL, JAN_8));
    UserFacts kept = UserFacts.of(USER, null);
    assertThat(kept.toState()).isNull();
    history.deleteUser();
    history.afterGrace();
    assertThat(history.keptState()).isNull();
  }
}
