package io.experimentetl.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.OutboxConfig;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.OutboxRow;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.TestEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OutboxRelayTest {
  private static final long SECOND = 1000;
  private static final long MINUTE = 60 * SECOND;
  private static final OutboxConfig CONFIG =
      ConfigBuilder.defaults()
          .with(OutboxConfig::enabled, true)
          .with(OutboxConfig::eventTypes, List.of("purchase"))
          .with(OutboxConfig::grace, Duration.ofSeconds(30))
          .build()
          .outbox();

  private KeyedOneInputStreamOperatorTestHarness<String, Change, OutboxMessage> harness;
  private final List<String> findings = new ArrayList<>();
  private final List<Long> versions = new ArrayList<>();
  private final List<Long> relayed = new ArrayList<>();
  private long sequenceNumber;

  /** Commit time and processing time, milliseconds since 1970. */
  private long time = 60 * MINUTE;

  @BeforeEach
  void open() throws Exception {
    harness = harness();
    harness.open();
  }

  private static KeyedOneInputStreamOperatorTestHarness<String, Change, OutboxMessage> harness()
      throws Exception {
    return new KeyedOneInputStreamOperatorTestHarness<>(
        new OutboxRelay(CONFIG), OutboxRelay::keyOf, Types.STRING);
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private void send(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after)
      throws Exception {
    send(table, kind, before, after, sequenceNumber + 1);
  }

  private void send(
      SourceTable table, ChangeKind kind, SourceRow before, SourceRow after, long txId)
      throws Exception {
    sequenceNumber++;
    harness.setProcessingTime(time);
    harness.processElement(
        new Change(
            table,
            kind,
            sequenceNumber,
            new SourcePosition(
                0, kind == ChangeKind.READ ? 0 : sequenceNumber, txId, 0, time * 1000),
            before,
            after),
        time);
    collect();
  }

  private void until(long newTime) throws Exception {
    time = newTime;
    harness.processWatermark(time);
    collect();
  }

  private void collect() {
    for (OutboxMessage message : harness.extractOutputValues()) {
      relayed.add(message.outboxId());
    }
    harness.getOutput().clear();
    var side = harness.getSideOutput(OutboxRelay.FINDINGS);
    while (side != null && !side.isEmpty()) {
      Finding finding = side.poll().getValue().right();
      findings.add(
          finding.code().code() + (finding.open() ? " opens " : " closes ") + finding.subject());
      versions.add(finding.version());
    }
  }

  /** Begins the stream, and lets the grace period pass in which nothing is compared. */
  private void beginStream() throws Exception {
    until(time);
    until(time + MINUTE);
  }

  private static OutboxRow row(long id, String eventType, String payload, Long processedAt) {
    return new OutboxRow(
        id,
        "a",
        eventType.startsWith("E") ? "event" : "assignment",
        eventType,
        payload,
        0,
        processedAt);
  }

  private static OutboxRow purchase(long id, String event, Long processedAt) {
    return row(
        id,
        "EVENT_CREATED",
        "{\"id\": \"" + event + "\", \"event\": \"purchase\", \"user_id\": \"u\"}",
        processedAt);
  }

  private static EventRow event(String id, String user) {
    return TestEvent.of(EventId.of(id), 7, 1, user, "purchase").row();
  }

  private void insert(OutboxRow row) throws Exception {
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.INSERT, null, row);
  }

  private void update(OutboxRow before, OutboxRow after) throws Exception {
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.UPDATE, before, after);
  }

  private void insert(EventRow row) throws Exception {
    send(SourceTable.EVENTS, ChangeKind.INSERT, null, row);
  }

  @Test
  void rowIsRelayedOnceAndItsAcknowledgementIsNeitherRelayedNorReported() throws Exception {
    beginStream();
    insert(event("e", "u"));
    insert(purchase(2, "e", null));
    update(purchase(2, "e", null), purchase(2, "e", 9L));
    until(time + 2 * OutboxReconciliation.KEEP_MILLIS);

    assertThat(relayed).containsExactly(2L);
    assertThat(findings).isEmpty();
    assertThat(harness.numKeyedStateEntries()).as("state").isZero();
    assertThat(harness.numEventTimeTimers()).as("timers").isZero();
  }

  @Test
  void snapshotRowRepeatedInTheStreamIsRelayedOnce() throws Exception {
    OutboxRow unprocessed = purchase(2, "e", null);
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.READ, null, unprocessed);
    insert(unprocessed);
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.READ, null, purchase(3, "f", 9L));
    insert(purchase(3, "f", null));
    update(purchase(3, "f", null), purchase(3, "f", 9L));
    assertThat(relayed).containsExactly(2L);
  }

  @Test
  void rowThatIsAlreadyProcessedIsNotRelayed() throws Exception {
    insert(purchase(2, "e", 9L));
    assertThat(relayed).isEmpty();
  }

  @Test
  void restartRelaysNoRowTwice() throws Exception {
    insert(purchase(2, "e", null));
    OperatorSubtaskState state = harness.snapshot(1, 1);
    harness.close();
    harness = harness();
    harness.initializeState(state);
    harness.open();
    update(purchase(2, "e", null), purchase(2, "e", null));
    insert(purchase(3, "f", null));
    assertThat(relayed).containsExactly(2L, 3L);
  }

  @Test
  void rowIsRelayedAgainWhenProcessedAtIsSetBackToNull() throws Exception {
    insert(purchase(2, "e", null));
    update(purchase(2, "e", null), purchase(2, "e", 9L));
    update(purchase(2, "e", 9L), purchase(2, "e", null));
    until(time + OutboxReconciliation.KEEP_MILLIS);
    assertThat(relayed).containsExactly(2L, 2L);
  }

  @Test
  void unacknowledgedRowIsStuckAndAnyUpdateRelaysItAgain() throws Exception {
    insert(purchase(2, "e", null));
    until(time + 9 * MINUTE);
    assertThat(findings).isEmpty();
    until(time + 2 * MINUTE);
    assertThat(findings).containsExactly("O-STUCK opens outbox-event:2");

    update(purchase(2, "e", null), purchase(2, "e", null));
    assertThat(relayed).containsExactly(2L, 2L);
    assertThat(findings).last().isEqualTo("O-STUCK closes outbox-event:2");

    update(purchase(2, "e", null), purchase(2, "e", 9L));
    until(time + OutboxReconciliation.KEEP_MILLIS);
    assertThat(findings).hasSize(2);
    assertThat(harness.numKeyedStateEntries()).isZero();
  }

  @Test
  void rowThatIsStuckAgainIsReportedAgain() throws Exception {
    insert(purchase(2, "e", null));
    until(time + 11 * MINUTE);
    update(purchase(2, "e", null), purchase(2, "e", null));
    until(time + 11 * MINUTE);

    assertThat(findings)
        .containsExactly(
            "O-STUCK opens outbox-event:2",
            "O-STUCK closes outbox-event:2",
            "O-STUCK opens outbox-event:2");
    assertThat(versions).as("the last one is current").isSorted().doesNotHaveDuplicates();
  }

  @Test
  void oldBacklogIsNotStuck() throws Exception {
    harness.setProcessingTime(time + 120 * MINUTE);
    sequenceNumber++;
    harness.processElement(
        new Change(
            SourceTable.OUTBOX_EVENTS,
            ChangeKind.INSERT,
            sequenceNumber,
            new SourcePosition(0, sequenceNumber, sequenceNumber, 0, time * 1000),
            null,
            purchase(2, "e", null)),
        time);
    until(time + 60 * MINUTE);
    assertThat(findings).isEmpty();
  }

  @Test
  void eventWithoutOutboxRowIsReportedAfterTheGracePeriodAndResolvedWhenTheRowArrives()
      throws Exception {
    beginStream();
    insert(event("e", "u"));
    until(time + 29 * SECOND);
    assertThat(findings).isEmpty();
    until(time + 2 * SECOND);
    assertThat(findings)
        .containsExactly("O-EVENT-WITHOUT-OUTBOX opens event:" + EventId.of("e") + "@7");
    insert(purchase(2, "e", null));
    assertThat(findings)
        .last()
        .isEqualTo("O-EVENT-WITHOUT-OUTBOX closes event:" + EventId.of("e") + "@7");
  }

  @Test
  void deletedEventNeedsNoOutboxRow() throws Exception {
    beginStream();
    insert(event("e", "u"));
    until(time + MINUTE);
    send(SourceTable.EVENTS, ChangeKind.DELETE, event("e", "u"), null);
    assertThat(findings)
        .last()
        .isEqualTo("O-EVENT-WITHOUT-OUTBOX closes event:" + EventId.of("e") + "@7");
  }

  @Test
  void movedEventIsNoNewEvent() throws Exception {
    beginStream();
    send(SourceTable.EVENTS, ChangeKind.KEY_CHANGE, event("e", "u"), null, 77);
    send(SourceTable.EVENTS, ChangeKind.INSERT, null, event("e", "u"), 77);
    send(SourceTable.EVENTS, ChangeKind.UPDATE, event("f", "u"), event("f", "u"));
    until(time + MINUTE);
    assertThat(findings).isEmpty();
    until(time + 2 * OutboxReconciliation.KEEP_MILLIS);
    assertThat(harness.numKeyedStateEntries()).isZero();
  }

  @Test
  void outboxRowWithoutEventIsReportedAndResolved() throws Exception {
    beginStream();
    insert(purchase(2, "e", null));
    until(time + MINUTE);
    assertThat(findings).containsExactly("O-OUTBOX-WITHOUT-EVENT opens outbox-event:2");
    insert(event("e", "u"));
    assertThat(findings).last().isEqualTo("O-OUTBOX-WITHOUT-EVENT closes outbox-event:2");
    assertThat(relayed).containsExactly(2L);
  }

  @Test
  void contradictingPayloadIsReportedInEitherOrder() throws Exception {
    beginStream();
    insert(event("e", "other"));
    insert(purchase(2, "e", null));
    insert(purchase(3, "f", null));
    insert(event("f", "other"));
    insert(purchase(4, "g", null));
    insert(event("g", "u"));
    assertThat(findings)
        .containsExactly(
            "O-PAYLOAD-MISMATCH opens outbox-event:2", "O-PAYLOAD-MISMATCH opens outbox-event:3");
  }

  @Test
  void payloadOfAnEarlierVersionOfTheEventMatches() throws Exception {
    beginStream();
    insert(event("e", "u"));
    send(SourceTable.EVENTS, ChangeKind.UPDATE, event("e", "u"), event("e", "other"));
    insert(purchase(2, "e", null));
    assertThat(findings).isEmpty();
  }

  @Test
  void rowsFromBeforeTheStreamAreNotCompared() throws Exception {
    send(SourceTable.EVENTS, ChangeKind.READ, null, event("e", "u"));
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.READ, null, purchase(2, "f", null));
    until(time);
    time += 29 * SECOND;
    insert(event("g", "u"));
    insert(purchase(3, "h", null));
    until(time + 5 * MINUTE);
    assertThat(findings).isEmpty();
    assertThat(relayed).containsExactly(2L, 3L);
  }

  @Test
  void eventOfTheFirstGracePeriodMatchesALaterRow() throws Exception {
    until(time);
    time += 29 * SECOND;
    insert(event("e", "u"));
    time += 3 * SECOND;
    insert(purchase(2, "e", null));
    until(time + 5 * MINUTE);
    assertThat(findings).isEmpty();
  }

  /** A change, and the time since the change before it. */
  private record Step(
      long millis, SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {}

  /** Purchases and their outbox rows in any order, some without the other, some deleted. */
  private static List<Step> steps(Random random) {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      long id = random.nextInt(8);
      EventRow event = event("e" + id, random.nextInt(6) == 0 ? "other" : "u");
      OutboxRow row = purchase(id, "e" + id, null);
      OutboxRow acknowledged = purchase(id, "e" + id, 9L);
      long millis = random.nextInt(20) * SECOND;
      steps.add(
          switch (random.nextInt(8)) {
            case 0, 1 -> new Step(millis, SourceTable.EVENTS, ChangeKind.INSERT, null, event);
            case 2 -> new Step(millis, SourceTable.EVENTS, ChangeKind.DELETE, event, null);
            case 3, 4, 5 ->
                new Step(millis, SourceTable.OUTBOX_EVENTS, ChangeKind.INSERT, null, row);
            case 6 ->
                new Step(millis, SourceTable.OUTBOX_EVENTS, ChangeKind.UPDATE, row, acknowledged);
            default -> new Step(millis, SourceTable.OUTBOX_EVENTS, ChangeKind.DELETE, row, null);
          });
    }
    return steps;
  }

  /** As the source does: the watermark follows the commits. */
  private void run(List<Step> steps) throws Exception {
    for (Step step : steps) {
      time += step.millis();
      send(step.table(), step.kind(), step.before(), step.after());
      harness.processWatermark(time - 1);
      collect();
    }
  }

  /** Everything behind the last checkpoint is repeated, and was not committed. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
  void restartAtAnyPlaceLosesAndRepeatsNoFinding(long seed) throws Exception {
    Random random = new Random(seed);
    List<Step> steps = steps(random);
    long begin = time;
    run(steps);
    until(time + 10 * MINUTE);
    List<String> expected = List.copyOf(findings);
    assertThat(expected).isNotEmpty();

    for (int restart = 0; restart < 10; restart++) {
      int checkpoint = random.nextInt(steps.size());
      int failure = checkpoint + random.nextInt(steps.size() - checkpoint);
      harness.close();
      harness = harness();
      harness.open();
      findings.clear();
      time = begin;
      sequenceNumber = 0;
      run(steps.subList(0, checkpoint));
      OperatorSubtaskState state = harness.snapshot(1, 1);
      List<String> committed = List.copyOf(findings);
      long committedTime = time;
      long committedSequenceNumber = sequenceNumber;
      run(steps.subList(checkpoint, failure));
      harness.close();

      harness = harness();
      harness.initializeState(state);
      harness.open();
      findings.clear();
      findings.addAll(committed);
      time = committedTime;
      sequenceNumber = committedSequenceNumber;
      run(steps.subList(checkpoint, steps.size()));
      until(time + 10 * MINUTE);
      assertThat(findings)
          .as("checkpoint before step %d, failure before step %d", checkpoint, failure)
          .containsExactlyInAnyOrderElementsOf(expected);
    }
  }

  @Test
  void unknownShapeIsReportedAndRelayedOnlyWhenCorrected() throws Exception {
    OutboxRow broken = row(2, "EVENT_CREATED", "{\"what\": 1}", null);
    insert(broken);
    insert(
        new OutboxRow(
            3, "a", "invoice", "EVENT_CREATED", "{\"id\": \"x\", \"event\": \"e\"}", 0, null));
    insert(
        new OutboxRow(
            4,
            "a",
            "event",
            "EVENT_CREATED",
            "{\"id\": \"x\", \"event\": \"e\", \"much\": \""
                + "x".repeat(OutboxRelay.MAX_BYTES)
                + "\"}",
            0,
            null));
    assertThat(findings)
        .containsExactly(
            "O-UNKNOWN-SHAPE opens outbox-event:2",
            "O-UNKNOWN-SHAPE opens outbox-event:3",
            "O-UNKNOWN-SHAPE opens outbox-event:4");
    assertThat(relayed).isEmpty();
    update(broken, purchase(2, "e", null));
    assertThat(relayed).containsExactly(2L);
    assertThat(findings).last().isEqualTo("O-UNKNOWN-SHAPE closes outbox-event:2");
  }

  @Test
  void deletedRowLeavesNoState() throws Exception {
    insert(purchase(2, "e", null));
    send(SourceTable.OUTBOX_EVENTS, ChangeKind.DELETE, purchase(2, "e", null), null);
    until(time + OutboxReconciliation.KEEP_MILLIS);
    assertThat(findings).isEmpty();
    assertThat(harness.numKeyedStateEntries()).isZero();
  }
}
