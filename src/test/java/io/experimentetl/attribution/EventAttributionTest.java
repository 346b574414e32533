package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.USER;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static io.experimentetl.model.FindingCode.C_UPDATE_IMMUTABLE;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.JobConfig;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.TestEvent;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Changes of a user's events. */
class EventAttributionTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @Test
  void botIsReportedOncePerDay() {
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

  @Test
  void everyUserIsKnownWhereThePlatformHasNoTableOfUsers() {
    UserScenario nobody = new UserScenario(withoutUsers());
    nobody.knowDimensions();
    nobody.insert(assignment(CONTROL, "hash", JAN_8));
    nobody.insert(exposure(1, CONTROL, JAN_8));
    nobody.insert(purchase(2, JAN_9, "5"));
    // Nothing has waited for a user.
    assertThat(nobody.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(5));
    assertThat(nobody.out.openCodes()).containsOnly(FindingCode.T_LATE);
    assertThat(nobody.out.eventRows).allSatisfy(row -> assertThat(row.userProperties()).isNull());
  }

  private static JobConfig withoutUsers() {
    return JobConfig.parse(
        "users",
        """
        source: {tables: {users: none}}
        statistics: {metrics: [{name: revenue, kind: mean, event-type: purchase, property: revenue}]}
        """,
        Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "-", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "-"));
  }

  @Test
  void correctedCopyOfTheAssignmentTimeResolvesItsFinding() {
    EventRow drifted = copying(1, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(drifted);
    assertThat(scenario.out.openCodes()).contains(FindingCode.T_ASSIGNMENT_AT_DRIFT);
    scenario.update(drifted, copying(1, JAN_8));
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.T_ASSIGNMENT_AT_DRIFT);
  }

  private static EventRow copying(int id, String assignmentAt) {
    return TestEvent.of(UserScenario.id(id), at(JAN_9), EXPERIMENT, USER, "page_view")
        .with("variant_id", CONTROL)
        .with("assignment_at", at(assignmentAt))
        .row();
  }

  @Test
  void eventIdCountsOnceAtItsEarliestTime() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_10, "5"));
    scenario.insert(purchase(2, JAN_9, "5"));
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").events()).isOne();
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-10").events()).isZero();
    assertThat(scenario.out.openCodes()).contains(FindingCode.D_DUP_EVENT);
  }

  @Test
  void twoContentsOfOneEventIdConflict() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "5"));
    scenario.insert(purchase(2, JAN_10, "6"));
    assertThat(scenario.out.openCodes()).contains(FindingCode.D_CONFLICTING_DUP);
  }

  @Test
  void rowInSnapshotAndStreamIsDeliveredOnce() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.throughState();
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.out.eventRows).hasSize(1);
  }

  @Test
  void eventThatOnlyTheWarehouseHasLostIsDeliveredAgainAndCountsOnce() {
    EventRow bad = purchase(3, JAN_9, "-1");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "5"));
    scenario.insert(bad);
    List<String> findings = scenario.out.openFindings();
    scenario.throughState();
    scenario.out.eventRows.clear();
    for (EventRow lost : List.of(exposure(1, CONTROL, JAN_8), purchase(2, JAN_9, "5"), bad)) {
      scenario.reread(SourceTable.EVENTS, lost);
    }
    assertThat(scenario.visible()).hasSize(3);
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(5));
    assertThat(scenario.out.openFindings()).isEqualTo(findings);
  }

  @Test
  void badPropertiesAreReportedAndDoNotCount() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "-1"));
    scenario.insert(purchase(3, JAN_9, "\"12\""));
    scenario.insert(purchase(4, JAN_9, "1000000000000"));
    scenario.insert(event(5, "purchase", CONTROL, JAN_9, "[1]"));
    assertThat(scenario.out.openCodes().stream().filter(FindingCode.S_BAD_PROPERTY::equals))
        .hasSize(4);
    assertThat(scenario.out.openCodes()).contains(FindingCode.S_UNPARSEABLE);
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09")).isEqualTo(DailySums.ZERO);
  }

  @Test
  void futureAndBackDatedEventsAreReported() {
    scenario.insert(assignment(CONTROL, "hash", JAN_9));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(exposure(2, CONTROL, "2026-02-01T00:00:00Z"));
    assertThat(scenario.out.openCodes())
        .contains(FindingCode.T_EVENT_BEFORE_ASSIGNMENT, FindingCode.T_FUTURE, FindingCode.T_LATE);
  }

  @Test
  void updatedEventIsRestatedAndFlagged() {
    EventRow before = purchase(2, JAN_9, "5");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(before);
    scenario.update(before, purchase(2, JAN_9, "7"));
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(7));
    assertThat(scenario.out.openCodes()).contains(FindingCode.C_UPDATE_IMMUTABLE);
  }

  @Test
  void updatedRowOfAMutableTableIsRestatedWithoutAFinding() {
    UserScenario shop = UserScenario.ofKnownUser(UserScenario.withFacts());
    shop.insert(assignment(CONTROL, "hash", JAN_8));
    shop.insert(exposure(1, CONTROL, JAN_8));
    for (String table : List.of("orders", "log")) {
      EventRow before = UserScenario.ofTable(table, 2, JAN_9, "5");
      shop.insert(before);
      shop.update(before, UserScenario.ofTable(table, 2, JAN_9, "7"));
      shop.update(
          UserScenario.ofTable(table, 2, JAN_9, "7"),
          UserScenario.ofTable(table, 2, "2026-01-09T12:00:00Z", "7"));
    }
    assertThat(shop.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(14));
    assertThat(shop.out.openCodes()).contains(FindingCode.C_UPDATE_IMMUTABLE);
    assertThat(
            shop.visible().values().stream()
                .filter(row -> List.of(row.inconsistencies()).contains(C_UPDATE_IMMUTABLE)))
        .extracting(row -> row.event().fact())
        .containsOnly("log");
  }
}
