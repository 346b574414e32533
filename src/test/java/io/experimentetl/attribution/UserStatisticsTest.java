package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import java.math.BigInteger;
import org.junit.jupiter.api.Test;

/** The contributions of a user's facts to the statistics. */
class UserStatisticsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @Test
  void exposedUserWhoConvertsCountsOnBothDays() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(event(2, "conversion", CONTROL, JAN_9, null));
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-08").newConverters()).isZero();
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-09").newConverters()).isOne();
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-09").dSum()).isEqualTo(units(1));
    assertThat(scenario.out.openFindings())
        .containsExactly(
            "T-LATE experiment-day:1/2026-01-08", "T-LATE experiment-day:1/2026-01-09");
  }

  @Test
  void sumOfSquaresGrowsByTwiceTotalTimesValuePlusItsSquare() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_8, "3"));
    scenario.insert(purchase(3, JAN_9, "4"));
    DailySums first = scenario.figures(CONTROL, "revenue", "2026-01-08");
    DailySums second = scenario.figures(CONTROL, "revenue", "2026-01-09");
    assertThat(first.dSumSq().add(second.dSumSq()))
        .isEqualTo(BigInteger.valueOf(49).multiply(BigInteger.TEN.pow(12)));
  }

  @Test
  void lateEventRestatesItsDayAndLaterActiveDays() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(3, JAN_10, "4"));
    scenario.insert(purchase(2, JAN_9, "3"));
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-10").dSumSq())
        .isEqualTo(BigInteger.valueOf(2 * 3 * 4 + 16).multiply(BigInteger.TEN.pow(12)));
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-10").newConverters()).isZero();
  }

  @Test
  void crossoverLeavesAllDaysUnderExclude() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(exposure(2, TREATMENT, JAN_9));
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.openFindings())
        .contains("A-CROSSOVER experiment-user:1/u1")
        .anyMatch(finding -> finding.startsWith("R-VARIANT-MISMATCH event:"));
  }

  @Test
  void retractedCrossoverCountsAgainAndResolvesItsFinding() {
    EventRow stray = exposure(2, TREATMENT, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(stray);
    scenario.delete(stray);
    assertThat(scenario.figures(CONTROL, "conversion", "2026-01-08").newUsers()).isOne();
    assertThat(scenario.out.openFindings()).doesNotContain("A-CROSSOVER experiment-user:1/u1");
  }

  @Test
  void overriddenAssignmentDoesNotCountAndIsFlagged() {
    scenario.insert(assignment(CONTROL, "override", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.openFindings()).contains("A-OVERRIDE assignment:7");
  }

  @Test
  void enrolmentHoursFromFirstExposureIsReportedUntilBothAgree() {
    AssignmentRow enrolled = enrolledAt("2026-01-08T08:00:00Z");
    scenario.insert(enrolled);
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.T_ENROLL_MISMATCH);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.out.openFindings()).contains("T-ENROLL-MISMATCH experiment-user:1/u1");
    scenario.throughState();
    scenario.update(enrolled, enrolledAt("2026-01-08T10:30:00Z"));
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.T_ENROLL_MISMATCH);
  }

  private static AssignmentRow enrolledAt(String time) {
    return new AssignmentRow(
        7, EXPERIMENT, USER, CONTROL, 1, "hash", null, at(JAN_8), at(time), 0, 0);
  }
}
