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

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Deletes: by erasure, by retention, and unexpected ones. */
class DeletedFactsTest {
  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  @Test
  void erasureWritesTombstonesForEveryAssignment() {
    scenario.insert(numbered(7, CONTROL, JAN_8));
    scenario.insert(numbered(8, TREATMENT, JAN_9));
    scenario.deleteUser();
    assertThat(scenario.out.assignmentRows)
        .filteredOn(row -> row.version().deleted())
        .extracting(row -> row.assignment().id())
        .containsExactlyInAnyOrder(7L, 8L);
    assertThat(scenario.out.daily).isEmpty();
  }

  @Test
  void erasureLeavesTombstonesAndNoFigures() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    scenario.insert(exposure);
    scenario.inOneTransaction(
        () -> {
          scenario.deleteUser();
          scenario.delete(exposure);
          scenario.delete(assignment(CONTROL, "hash", JAN_8));
        });
    scenario.afterGrace();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.health).isEmpty();
    assertThat(scenario.out.openCodes())
        .contains(FindingCode.C_DELETE_ERASURE)
        .doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
    assertThat(scenario.out.eventRows.get(1).version().deleteReason()).isEqualTo("erasure");
  }

  @Test
  void erasureMayDeleteTheUserRowLast() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    scenario.insert(exposure);
    scenario.inOneTransaction(
        () -> {
          scenario.delete(exposure);
          scenario.deleteUser();
        });
    scenario.afterGrace();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
  }

  /** Before a restart they may have got it, and an early write of them may be visible. */
  @Test
  void erasureWritesTombstonesForPendingFacts() {
    scenario.insert(assignment(99, "hash", JAN_8));
    scenario.insert(exposure(1, 99L, JAN_8));
    assertThat(scenario.out.eventRows).isEmpty();
    scenario.deleteUser();
    assertThat(scenario.out.eventRows)
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleted()).isTrue());
    assertThat(scenario.out.assignmentRows)
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleted()).isTrue());
  }

  /** The halves of an update that have other changes of the transaction between them. */
  @Test
  void keyChangeWhoseHalvesAreApartLeavesOneTombstone() {
    AssignmentRow assignment = assignment(CONTROL, "hash", JAN_8);
    EventRow before = exposure(1, CONTROL, JAN_9);
    EventRow after = exposure(1, CONTROL, JAN_10);
    scenario.insert(assignment);
    scenario.insert(before);
    scenario.inOneTransaction(
        () -> {
          scenario.delete(before);
          long number = scenario.lastNumber();
          scenario.insert(exposure(2, CONTROL, JAN_9));
          scenario.isFirstHalf(number, SourceTable.EVENTS, before);
          scenario.apply(SourceTable.EVENTS, ChangeKind.UPDATE, before, after);
        });

    assertThat(scenario.out.rowsSentAgain()).isEmpty();
    assertThat(scenario.out.eventRows)
        .filteredOn(row -> row.version().deleted())
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleteReason()).isEqualTo("key-change"));
    assertThat(scenario.visible()).hasSize(2);
    assertThat(scenario.out.openCodes()).doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
  }

  @Test
  void youngRowThatARetentionTransactionMovesLeavesOneTombstoneAboveTheKeptRow() {
    EventRow before = exposure(1, CONTROL, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(before);
    scenario.inOneTransaction(
        () -> {
          scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, before, null);
          long number = scenario.lastNumber();
          scenario.insert(exposure(2, CONTROL, JAN_9));
          scenario.isFirstHalf(number, SourceTable.EVENTS, before);
          scenario.apply(
              SourceTable.EVENTS, ChangeKind.UPDATE, before, exposure(1, CONTROL, JAN_10));
        });

    assertThat(scenario.out.rowsSentAgain()).isEmpty();
    assertThat(scenario.visible().values())
        .extracting(row -> row.event().occurredAt())
        .containsExactlyInAnyOrder(UserScenario.at(JAN_9), UserScenario.at(JAN_10));
    assertThat(scenario.visible().values()).allMatch(row -> row.version().deleteReason().isEmpty());
  }

  /** Nobody has seen the row, but its transaction says that the warehouse keeps what it deletes. */
  @Test
  void youngRowThatARetentionTransactionWroteItselfIsKept() {
    EventRow event = exposure(1, CONTROL, JAN_9);
    AssignmentRow assignment = assignment(CONTROL, "hash", JAN_8);
    scenario.inOneTransaction(
        () -> {
          scenario.insert(assignment);
          scenario.insert(event);
          scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, event, null);
          scenario.apply(SourceTable.ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment, null);
        });

    assertThat(reasonOfEvent()).isEqualTo("retention");
    assertThat(reasonOfAssignment()).isEqualTo("retention");
  }

  private String reasonOfEvent() {
    return scenario.visible().values().iterator().next().version().deleteReason();
  }

  private String reasonOfAssignment() {
    List<AssignmentProcessed> rows = scenario.out.assignmentRows;
    return rows.get(rows.size() - 1).version().deleteReason();
  }

  @Test
  void youngRowThatRetentionDeletedSaysThatTheSourceHasItNoLonger() {
    EventRow event = exposure(1, CONTROL, JAN_9);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(event);
    Map<DailyKey, DailySums> before = Map.copyOf(scenario.out.daily);
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, event, null);
    scenario.apply(
        SourceTable.ASSIGNMENTS,
        ChangeKind.RETENTION_DELETE,
        assignment(CONTROL, "hash", JAN_8),
        null);

    assertThat(reasonOfEvent()).isEqualTo("retention");
    assertThat(reasonOfAssignment()).isEqualTo("retention");
    assertThat(scenario.out.daily).isEqualTo(before).isNotEmpty();

    scenario.insert(event);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.afterGrace();

    assertThat(reasonOfEvent()).as("the source has it again").isEmpty();
    assertThat(reasonOfAssignment()).isEmpty();
  }

  /** The watch of the source reads rows again that differ in ClickHouse. */
  @Test
  void youngRowThatRetentionDeletedAndThatIsReadAgainIsOfTheSourceAgain() {
    AssignmentRow assignment = assignment(CONTROL, "hash", JAN_8);
    EventRow event = exposure(1, CONTROL, JAN_9);
    scenario.insert(assignment);
    scenario.insert(event);
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, event, null);
    scenario.apply(SourceTable.ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment, null);
    for (int i = 0; i < 2; i++) {
      scenario.apply(SourceTable.EVENTS, ChangeKind.READ, null, event);
      scenario.apply(SourceTable.ASSIGNMENTS, ChangeKind.READ, null, assignment);
    }

    assertThat(reasonOfEvent()).isEmpty();
    assertThat(reasonOfAssignment()).isEmpty();
    assertThat(scenario.out.eventRows).as("the second time nothing has changed").hasSize(3);
    assertThat(scenario.out.assignmentRows).hasSize(3);
  }

  @Test
  void correctionOfARowThatRetentionDeletedKeepsItsReason() {
    EventRow event = exposure(1, 77L, JAN_9);
    scenario.insert(assignment(77, "hash", JAN_8));
    scenario.insert(event);
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETENTION_DELETE, event, null);
    scenario.afterGrace();
    scenario.apply(
        SourceTable.ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment(77, "hash", JAN_8), null);
    scenario.variantArrives(77);

    assertThat(scenario.visible().values())
        .singleElement()
        .satisfies(
            row -> assertThat(row.inconsistencies()).doesNotContain(FindingCode.R_ORPHAN_VARIANT));
    assertThat(reasonOfEvent()).isEqualTo("retention");
    assertThat(reasonOfAssignment()).isEqualTo("retention");
  }

  @Test
  void resyncRemembersWhichYoungRowsRetentionDeleted() {
    scenario.processingTime(Instant.parse(JAN_10));
    scenario.apply(
        SourceTable.ASSIGNMENTS, ChangeKind.RETAINED, null, assignment(CONTROL, "hash", JAN_8));
    scenario.apply(SourceTable.EVENTS, ChangeKind.RETAINED, null, exposure(1, CONTROL, JAN_8));
    scenario.afterGrace();

    assertThat(reasonOfEvent()).isEqualTo("retention");
    assertThat(reasonOfAssignment()).isEqualTo("retention");
  }

  @Test
  void retentionDeleteKeepsTheWarehouseRow() {
    EventRow old = exposure(1, CONTROL, "2025-09-01T10:00:00Z");
    scenario.insert(assignment(CONTROL, "hash", "2025-09-01T10:00:00Z"));
    scenario.insert(old);
    scenario.delete(old);
    scenario.afterGrace();
    assertThat(scenario.visible()).hasSize(1);
    assertThat(scenario.out.daily).isNotEmpty();
    assertThat(scenario.out.openFindings())
        .contains("C-DELETE-RETENTION table-day:events/2025-09-01");
  }

  @Test
  void erasureDeletesRowsThatRetentionKept() {
    EventRow old = exposure(1, CONTROL, "2025-09-01T10:00:00Z");
    scenario.insert(assignment(CONTROL, "hash", "2025-09-01T10:00:00Z"));
    scenario.insert(old);
    scenario.delete(old);
    scenario.throughState();
    scenario.deleteUser();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
  }

  @Test
  void unexpectedDeleteIsAppliedAndFlagged() {
    EventRow exposure = exposure(1, CONTROL, JAN_8);
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure);
    scenario.delete(exposure);
    scenario.afterGrace();
    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.openCodes()).contains(FindingCode.C_DELETE_UNEXPECTED);
  }

  @Test
  void erasedUserLeavesNoState() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    assertThat(scenario.keptState().isEmpty()).isFalse();
    scenario.deleteUser();
    scenario.afterGrace();
    assertThat(scenario.keptState().isEmpty()).isTrue();
  }

  /** A row of orders is gone; one of log is beyond the 10 days that its table keeps rows. */
  @Test
  void deleteIsJudgedByTheRetentionAndTheMutabilityOfItsTable() {
    UserScenario shop = UserScenario.ofKnownUser(UserScenario.withFacts());
    shop.insert(assignment(CONTROL, "hash", JAN_8));
    shop.insert(exposure(1, CONTROL, JAN_8));
    EventRow order = UserScenario.ofTable("orders", 2, JAN_9, "5");
    EventRow logged = UserScenario.ofTable("log", 2, JAN_9, "7");
    shop.insert(order);
    shop.insert(logged);
    shop.committedAt = UserScenario.at("2026-01-25T00:00:00Z");
    shop.delete(logged);
    shop.afterGrace();
    assertThat(shop.figures(CONTROL, "revenue", "2026-01-09").valueSum())
        .isEqualTo(UserScenario.units(12));
    shop.committedAt = UserScenario.at("2027-01-25T00:00:00Z");
    shop.delete(order);
    shop.afterGrace();
    assertThat(shop.figures(CONTROL, "revenue", "2026-01-09").valueSum())
        .isEqualTo(UserScenario.units(7));
    assertThat(shop.out.openCodes()).doesNotContain(FindingCode.C_DELETE_UNEXPECTED);
    assertThat(shop.out.eventRows)
        .filteredOn(row -> row.version().deleted())
        .singleElement()
        .satisfies(row -> assertThat(row.version().deleteReason()).isEqualTo("mutable"));
  }
}
