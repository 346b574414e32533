package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.VariantRow;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.types.Either;
import org.junit.jupiter.api.Test;

class DeletedVariantTest extends AttributeOperatorHarness {
  private static final VariantRow ROW =
      new VariantRow(CONTROL, EXPERIMENT, "c", "C", null, 50, true, null, 0, 0);

  private int checkpoint;

  private void variant(ChangeKind kind) throws Exception {
    boolean isDeleted = kind == ChangeKind.DELETE;
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.VARIANTS, kind, isDeleted ? ROW : null, isDeleted ? null : ROW))));
    barrier();
  }

  private void barrier() throws Exception {
    barrier(++checkpoint, "2026-01-09T00:00:00Z");
  }

  private long newUsers() {
    return contributions().stream().mapToLong(sent -> sent.sums().newUsers()).sum();
  }

  @Test
  void usersOfAVariantCountAgainWhenItComesBack() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    barrier();
    long counted = newUsers();
    assertThat(counted).isPositive();

    variant(ChangeKind.DELETE);
    assertThat(newUsers()).isZero();

    variant(ChangeKind.INSERT);
    assertThat(newUsers()).isEqualTo(counted);
  }

  @Test
  void usersOfAVariantCountAgainWhenItComesBackBehindARestart() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    variant(ChangeKind.DELETE);

    var snapshot = harness.snapshot(++checkpoint, checkpoint);
    harness.close();
    restore(snapshot, new AttributeOperator(UserScenario.config(CrossoverPolicy.EXCLUDE)));
    variant(ChangeKind.INSERT);
    assertThat(newUsers()).isPositive();
  }
}
