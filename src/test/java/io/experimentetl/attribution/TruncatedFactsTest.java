package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.JAN_10;
import static io.experimentetl.attribution.UserScenario.JAN_8;
import static io.experimentetl.attribution.UserScenario.JAN_9;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.exposure;
import static io.experimentetl.attribution.UserScenario.numbered;
import static io.experimentetl.attribution.UserScenario.purchase;
import static io.experimentetl.attribution.UserScenario.units;
import static io.experimentetl.model.SourceTable.ASSIGNMENTS;
import static io.experimentetl.model.SourceTable.EVENTS;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceTable;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A TRUNCATE deletes what the source held, judged at the commit. */
class TruncatedFactsTest {
  private static final String YEAR_BEFORE = "2024-12-01T10:00:00Z";
  private static final String FOUR_MONTHS_BEFORE = "2025-09-01T10:00:00Z";

  private final UserScenario scenario =
      UserScenario.ofKnownUser(UserScenario.config(CrossoverPolicy.EXCLUDE));

  private void truncate(SourceTable... tables) {
    scenario.inOneTransaction(
        () -> {
          for (SourceTable table : tables) {
            scenario.truncate(table);
          }
          scenario.throughState();
          scenario.commitTruncates();
        });
  }

  private List<Long> visibleAssignments() {
    return scenario.out.visibleAssignments().stream().map(row -> row.assignment().id()).toList();
  }

  @Test
  void truncateOfEventsDeletesThemAndRestatesTheStatistics() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "5"));

    truncate(EVENTS);

    assertThat(scenario.visible()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(visibleAssignments()).containsExactly(7L);
    assertThat(scenario.out.eventRows)
        .filteredOn(row -> row.version().deleted())
        .hasSize(2)
        .allMatch(row -> row.version().deleteReason().equals("truncate"));
  }

  @Test
  void truncateOfAssignmentsLeavesTheEvents() {
    scenario.insert(numbered(7, CONTROL, JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));

    truncate(ASSIGNMENTS);

    assertThat(visibleAssignments()).isEmpty();
    assertThat(scenario.visible()).hasSize(1);
    scenario.insert(numbered(8, TREATMENT, JAN_10));
    assertThat(visibleAssignments()).containsExactly(8L);
  }

  @Test
  void truncateOfSeveralTablesIsOneCommit() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));

    truncate(EVENTS, ASSIGNMENTS);

    assertThat(scenario.visible()).isEmpty();
    assertThat(visibleAssignments()).isEmpty();
    assertThat(scenario.out.daily).isEmpty();
    assertThat(scenario.out.health).isEmpty();
  }

  @Test
  void rowsWrittenAgainBehindTheTruncateAreUpdates() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(purchase(2, JAN_9, "5"));
    scenario.insert(purchase(3, JAN_9, "7"));

    scenario.inOneTransaction(
        () -> {
          scenario.truncate(EVENTS);
          scenario.insert(exposure(1, CONTROL, JAN_8));
          scenario.insert(purchase(3, JAN_9, "9"));
          scenario.insert(purchase(4, JAN_9, "1"));
          scenario.throughState();
          scenario.commitTruncates();
        });

    assertThat(scenario.visible()).hasSize(3);
    assertThat(scenario.figures(CONTROL, "revenue", "2026-01-09").dSum()).isEqualTo(units(10));
    assertThat(scenario.out.eventRows).filteredOn(row -> row.version().deleted()).hasSize(1);
  }

  @Test
  void rowsBetweenTwoTruncatesAreDeleted() {
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.inOneTransaction(
        () -> {
          scenario.insert(exposure(1, CONTROL, JAN_8));
          scenario.truncate(EVENTS);
          scenario.insert(exposure(2, CONTROL, JAN_8));
          scenario.throughState();
          scenario.truncate(EVENTS);
          scenario.insert(exposure(3, CONTROL, JAN_9));
          scenario.commitTruncates();
        });

    assertThat(scenario.visible()).hasSize(1);

    scenario.throughState();
    truncate(EVENTS);

    assertThat(scenario.visible()).as("the next transaction counts anew").isEmpty();
  }

  @Test
  void rowsOlderThanTheirRetentionStay() {
    scenario.insert(numbered(7, CONTROL, YEAR_BEFORE));
    scenario.insert(numbered(8, CONTROL, FOUR_MONTHS_BEFORE));
    scenario.insert(exposure(1, CONTROL, FOUR_MONTHS_BEFORE));
    scenario.insert(purchase(2, JAN_9, "5"));

    truncate(EVENTS, ASSIGNMENTS);

    assertThat(scenario.visible().values())
        .extracting(row -> row.event().id())
        .containsExactly(UserScenario.id(1));
    assertThat(visibleAssignments()).containsExactly(7L);
  }

  @Test
  void youngRowsThatARetentionTransactionHadDeletedStay() {
    EventRow young = purchase(2, JAN_9, "5");
    scenario.insert(assignment(CONTROL, "hash", JAN_8));
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.insert(young);
    scenario.apply(EVENTS, ChangeKind.RETENTION_DELETE, young, null);
    scenario.apply(
        ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment(CONTROL, "hash", JAN_8), null);
    assertThat(scenario.visible()).as("retention keeps the warehouse").hasSize(2);
    scenario.throughState();

    truncate(EVENTS, ASSIGNMENTS);

    assertThat(scenario.visible().values())
        .extracting(row -> row.event().id())
        .containsExactly(UserScenario.id(2));
    assertThat(visibleAssignments()).containsExactly(7L);
  }

  @Test
  void rowInsertedAgainAfterRetentionIsTruncated() {
    EventRow young = purchase(2, JAN_9, "5");
    scenario.insert(young);
    scenario.apply(EVENTS, ChangeKind.RETENTION_DELETE, young, null);
    scenario.insert(young);

    truncate(EVENTS);

    assertThat(scenario.visible()).isEmpty();
  }

  @Test
  void pendingFactsAreDeletedWithoutBeingDelivered() {
    scenario.insert(assignment(99, "hash", JAN_8));
    scenario.insert(exposure(1, 99L, JAN_8));

    truncate(EVENTS, ASSIGNMENTS);
    scenario.afterGrace();

    assertThat(scenario.visible()).isEmpty();
    assertThat(visibleAssignments()).isEmpty();
  }

  @Test
  void pendingFactsThatARetentionTransactionHadDeletedAreDeliveredAndStay() {
    AssignmentRow assignment = assignment(99, "hash", JAN_8);
    EventRow event = exposure(1, 99L, JAN_8);
    scenario.insert(assignment);
    scenario.insert(event);
    scenario.apply(EVENTS, ChangeKind.RETENTION_DELETE, event, null);
    scenario.apply(ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment, null);

    truncate(EVENTS, ASSIGNMENTS);
    scenario.afterGrace();
    truncate(EVENTS, ASSIGNMENTS);

    assertThat(scenario.visible()).hasSize(1);
    assertThat(visibleAssignments()).containsExactly(7L);
  }

  @Test
  void pendingFactsThatARetentionTransactionHadTruncatedAreDeliveredAndStay() {
    scenario.insert(assignment(99, "hash", JAN_8));
    scenario.insert(exposure(1, 99L, JAN_8));
    scenario.inOneTransaction(
        () -> {
          scenario.truncateByRetention(EVENTS);
          scenario.truncateByRetention(ASSIGNMENTS);
          scenario.throughState();
          scenario.commitTruncates();
        });

    truncate(EVENTS, ASSIGNMENTS);
    scenario.afterGrace();

    assertThat(scenario.visible()).hasSize(1);
    assertThat(visibleAssignments()).containsExactly(7L);
  }

  @Test
  void flaggedAssignmentThatARetentionTransactionHadDeletedStaysAlsoCorrected() {
    UserScenario late = new UserScenario(UserScenario.config(CrossoverPolicy.EXCLUDE));
    late.knowDimensions();
    AssignmentRow assignment = assignment(CONTROL, "hash", JAN_8);
    late.insert(assignment);
    late.afterGrace();
    late.apply(ASSIGNMENTS, ChangeKind.RETENTION_DELETE, assignment, null);
    late.insert(SourceTable.USERS, UserScenario.userRow());

    late.inOneTransaction(
        () -> {
          late.truncate(ASSIGNMENTS);
          late.commitTruncates();
        });

    // As it came, as retention deleted it, and corrected.
    assertThat(late.out.assignmentRows).hasSize(3).noneMatch(row -> row.version().deleted());
  }

  @Test
  void flaggedEventIsNotCorrectedAboveItsTombstone() {
    scenario.insert(exposure(1, CONTROL, JAN_8));
    scenario.afterGrace();
    assertThat(scenario.visible()).hasSize(1);

    scenario.inOneTransaction(
        () -> {
          scenario.truncate(EVENTS);
          // The reference that the event misses.
          scenario.insert(assignment(CONTROL, "hash", JAN_8));
          scenario.commitTruncates();
        });

    assertThat(scenario.visible()).isEmpty();
  }

  @Test
  void truncateLeavesNoStateOfAnUnknownUser() {
    UserScenario unknown = new UserScenario(UserScenario.config(CrossoverPolicy.EXCLUDE));
    unknown.knowDimensions();
    unknown.insert(assignment(CONTROL, "hash", JAN_8));
    unknown.insert(exposure(1, CONTROL, JAN_8));
    unknown.afterGrace();
    unknown.truncate(EVENTS);
    unknown.truncate(ASSIGNMENTS);
    unknown.commitTruncates();

    assertThat(unknown.keptState().isEmpty()).isTrue();
  }
}
