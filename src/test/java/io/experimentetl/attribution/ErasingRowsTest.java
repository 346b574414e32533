package io.experimentetl.attribution;

import static io.experimentetl.attribution.SharedFactsOperatorTest.sale;
import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static io.experimentetl.attribution.UserScenario.userRow;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import org.junit.jupiter.api.Test;

/** Users whom a row of the source erases that stays: their own, or a request. */
class ErasingRowsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  private void erase() {
    scenario.apply(SourceTable.USERS, ChangeKind.ERASE, userRow(), null);
  }

  private void exposeAndBuy() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "5"));
  }

  private void assertNothingIsThere() {
    scenario.afterGrace();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.health).isEmpty();
  }

  @Test
  void rowErasesAsADeleteDoes() {
    exposeAndBuy();
    scenario.inOneTransaction(this::erase);
    assertNothingIsThere();
    assertThat(scenario.out.openCodes()).contains(FindingCode.C_DELETE_ERASURE);
    assertThat(scenario.out.eventRows)
        .filteredOn(row -> row.version().deleted())
        .allSatisfy(row -> assertThat(row.version().deleteReason()).isEqualTo("erasure"));
  }

  @Test
  void rowErasesFactsOfNoExperimentToo() {
    UserScenario sharing =
        UserScenario.ofKnownUser(
            UserScenario.sharing(UserScenario.config(CrossoverPolicy.EXCLUDE)));
    sharing.insert(assignment(CONTROL, "hash", JAN_8));
    sharing.insert(exposure(1, CONTROL, JAN_8));
    sharing.insert(sale(2, JAN_9, "5"));
    assertThat(sharing.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(5));
    sharing.inOneTransaction(
        () -> sharing.apply(SourceTable.USERS, ChangeKind.ERASE, userRow(), null));
    sharing.insert(sale(3, JAN_9, "7"));
    sharing.afterGrace();
    assertThat(sharing.visible()).isEmpty();
    assertThat(sharing.out.daily).isEmpty();
  }

  @Test
  void laterFactsOfTheUserDoNotCountAlsoBehindARestart() {
    scenario.inOneTransaction(this::erase);
    scenario.throughState();
    exposeAndBuy();
    assertNothingIsThere();
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.R_ORPHAN_USER);
  }

  @Test
  void factsThatTheSourceDeletesLaterAreNoUnexpectedDelete() {
    exposeAndBuy();
    scenario.inOneTransaction(this::erase);
    scenario.inOneTransaction(() -> scenario.delete(exposure(1, CONTROL, JAN_8)));
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
  }

  @Test
  void rowThatTakesItBackInItsTransactionErasesNobody() {
    exposeAndBuy();
    scenario.inOneTransaction(
        () -> {
          erase();
          scenario.insert(SourceTable.USERS, userRow());
        });
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(5));
  }

  @Test
  void userCountsAgainWhenTheRowDoesNotEraseAnyMore() {
    scenario.inOneTransaction(this::erase);
    scenario.insert(SourceTable.USERS, userRow());
    exposeAndBuy();
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").valueSum()).isEqualTo(units(5));
  }

  @Test
  void deleteOfTheErasedRowIsNotReportedAgainAndLetsFactsIn() {
    scenario.inOneTransaction(this::erase);
    int findings = scenario.out.findings.size();
    scenario.inOneTransaction(scenario::deleteUser);
    assertThat(scenario.out.findings).hasSize(findings);
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.afterGrace();
    assertThat(scenario.out.openCodes()).contains(FindingCode.R_ORPHAN_USER);
  }

  @Test
  void resyncThatDeletesTheErasedUsersRowLetsNoFactIn() {
    scenario.inOneTransaction(this::erase);
    scenario.rereadNothing(SourceTable.USERS, userRow());
    exposeAndBuy();
    assertNothingIsThere();
  }

  @Test
  void truncateOfTheErasingTableLetsFactsIn() {
    scenario.inOneTransaction(this::erase);
    scenario.truncate(SourceTable.USERS);
    scenario.commitTruncates();
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.afterGrace();
    assertThat(scenario.visible()).hasSize(1);
  }

  @Test
  void snapshotReadsTheErasingRowInAnyOrder() {
    EventRow before = exposure(1, CONTROL, JAN_8);
    scenario.snapshot(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    scenario.snapshot(SourceTable.EVENTS, before);
    assertThat(scenario.visible()).isNotEmpty();
    scenario.snapshotErases(userRow());
    scenario.snapshot(SourceTable.EVENTS, purchase(2, JAN_9, "5"));
    assertNothingIsThere();
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.C_DELETE_ERASURE);
  }
}
