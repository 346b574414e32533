package io.experimentetl.replicate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.cdc.ReplicatedBuckets;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.ReplicatedTable.Column;
import io.experimentetl.mapping.ReplicatedTable.NewColumns;
import io.experimentetl.mapping.ReplicatedTable.Truncate;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.Finding;
import io.experimentetl.model.ReplicatedRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TextList;
import java.util.List;
import java.util.Queue;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReplicateOperatorTest {
  private ReplicatedTable table;
  private KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, Finding>>
      harness;
  private long sequenceNumber;

  private void open(Truncate truncate) throws Exception {
    table =
        new ReplicatedTable(
            0,
            "shop",
            "bets",
            "bets",
            List.of(),
            null,
            null,
            truncate,
            NewColumns.JSON,
            List.of(),
            List.of(),
            List.of("id"),
            List.of(
                new Column("id", "Int64", false), new Column("stake", "Decimal(38, 2)", false)));
    harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            new ReplicateOperator(List.of(table), null, null),
            ReplicatedBuckets::keyOf,
            null,
            Types.STRING,
            128,
            1,
            0);
    harness.setup(ReplicateOperator.TYPE.createSerializer(new SerializerConfigImpl()));
    harness.open();
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static ReplicatedRow bet(long id, String stake) {
    String own = Long.toString(id);
    return new ReplicatedRow(
        KeyText.of(List.of("bets", own)),
        "bets",
        TextList.of(List.of("id", "stake")),
        TextList.of(List.of(own, stake)));
  }

  private void send(ChangeKind kind, SourceRow before, SourceRow after) throws Exception {
    sequenceNumber++;
    harness.processElement1(
        new StreamRecord<>(
            new Change(
                SourceTable.REPLICATED,
                kind,
                sequenceNumber,
                new SourcePosition(sequenceNumber, sequenceNumber, sequenceNumber, 0, 1),
                before,
                after)));
  }

  /** The truncate as it reaches the bucket of a row. */
  private void truncate(ReplicatedRow ofBucket) throws Exception {
    String bucket = Integer.toString(Math.floorMod(ofBucket.key().hashCode(), 128));
    send(ChangeKind.TRUNCATE, new ReplicatedRow("bets", "bets", bucket, ""), null);
  }

  private List<String> sent() {
    return side(ReplicateOperator.outputOf(table)).stream()
        .map(record -> record.getValue().right())
        .map(change -> change.kind() + " " + ReplicatedBuckets.rowOf(change).key())
        .toList();
  }

  private List<String> findings() {
    return side(ReplicateOperator.findings()).stream()
        .map(record -> record.getValue().right())
        .map(finding -> finding.code() + (finding.open() ? " open" : " resolved"))
        .toList();
  }

  private <T> List<StreamRecord<T>> side(OutputTag<T> tag) {
    Queue<StreamRecord<T>> output = harness.getSideOutput(tag);
    return output == null ? List.of() : List.copyOf(output);
  }

  @Test
  void truncateStopsTheJobUnlessItIsDeclared() throws Exception {
    open(Truncate.REFUSE);
    send(ChangeKind.INSERT, null, bet(1, "1.50"));
    assertThatThrownBy(() -> truncate(bet(1, "1.50")))
        .hasRootCauseMessage(
            "The table shop.bets was truncated in transaction 2 at LSN 0/2, and the job applies it only if it is told to. If it was meant, set replicate[0].truncate: apply and start the job from its last checkpoint. If it was a mistake, restore the rows in PostgreSQL, and then do the same.");
    assertThat(sent()).containsExactly("INSERT bets:1");
  }

  @Test
  void truncateDeletesTheRowsThatTheSourceHeld() throws Exception {
    open(Truncate.APPLY);
    send(ChangeKind.INSERT, null, bet(1, "1.50"));
    truncate(bet(1, "1.50"));
    truncate(bet(1, "1.50"));
    assertThat(sent()).containsExactly("INSERT bets:1", "TRUNCATE bets:1");
  }

  @Test
  void truncateKeepsARowThatRetentionHasDeleted() throws Exception {
    open(Truncate.APPLY);
    send(ChangeKind.INSERT, null, bet(1, "1.50"));
    send(ChangeKind.RETENTION_DELETE, bet(1, "1.50"), null);
    truncate(bet(1, "1.50"));
    assertThat(sent()).containsExactly("INSERT bets:1", "RETENTION_DELETE bets:1");
  }

  @Test
  void valueThatClickHouseCannotHoldIsADeadLetterUntilItIsCorrected() throws Exception {
    open(Truncate.REFUSE);
    send(ChangeKind.INSERT, null, bet(1, "NaN"));
    assertThat(sent()).isEmpty();
    send(ChangeKind.UPDATE, bet(1, "NaN"), bet(1, "2.00"));
    assertThat(sent()).containsExactly("UPDATE bets:1");
    assertThat(findings()).containsExactly("S_UNPARSEABLE open", "S_UNPARSEABLE resolved");
  }
}
