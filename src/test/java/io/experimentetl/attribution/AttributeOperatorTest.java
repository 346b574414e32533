package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.EXPERIMENT;
import static io.experimentetl.attribution.UserScenario.TREATMENT;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.cdc.RouteOperator;
import io.experimentetl.clickhouse.ProgressMarker;
import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.DeliveryConfig;
import io.experimentetl.config.DeliveryMode;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StateConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentProcessed;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.DailyContribution;
import io.experimentetl.model.EventProcessed;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourcePosition;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.VariantRow;
import io.experimentetl.warehouse.EventEncoder;
import io.experimentetl.warehouse.RawEvents;
import java.math.BigInteger;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.KeyedTwoInputStreamOperatorTestHarness;
import org.apache.flink.types.Either;
import org.apache.flink.util.OutputTag;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AttributeOperatorTest {
  private static final String JAN_8 = "2026-01-08T10:00:00Z";

  private KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      harness;
  private long lsn = 1000;
  private long txId = 1;

  @BeforeEach
  void open() throws Exception {
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.open();
    harness.setProcessingTime(1_000);
  }

  @AfterEach
  void close() throws Exception {
    harness.close();
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(CrossoverPolicy policy) throws Exception {
    return newHarness(UserAttributionTest.config(policy));
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(JobConfig config) throws Exception {
    return newHarness(new AttributeOperator(config));
  }

  private static KeyedTwoInputStreamOperatorTestHarness<
          String, Change, Either<ProgressMarker, Change>, Either<ProgressMarker, EventProcessed>>
      newHarness(AttributeOperator operator) throws Exception {
    var harness =
        new KeyedTwoInputStreamOperatorTestHarness<>(
            operator, RouteOperator::userOf, null, Types.STRING, 128, 1, 0);
    harness.setup(AttributeOperator.EVENTS_TYPE.createSerializer(new SerializerConfigImpl()));
    return harness;
  }

  private Change change(SourceTable table, ChangeKind kind, SourceRow before, SourceRow after) {
    lsn += 10;
    return new Change(
        table,
        kind,
        lsn,
        new SourcePosition(lsn - 10, lsn, txId++, 0, at("2026-01-08T12:00:00Z")),
        before,
        after);
  }

  private void send(SourceTable table, SourceRow row) throws Exception {
    harness.processElement1(new StreamRecord<>(change(table, ChangeKind.INSERT, null, row)));
  }

  private void sendDimensions() throws Exception {
    for (SourceRow row :
        List.of(
            new ExperimentRow(
                EXPERIMENT, "exp", "Exp", null, "ACTIVE", null, 1, null, null, null, 0, 0),
            new VariantRow(CONTROL, EXPERIMENT, "c", "C", null, 50, true, null, 0, 0),
            new VariantRow(TREATMENT, EXPERIMENT, "t", "T", null, 50, false, null, 0, 0))) {
      SourceTable table =
          row instanceof ExperimentRow ? SourceTable.EXPERIMENTS : SourceTable.VARIANTS;
      harness.processElement2(
          new StreamRecord<>(Either.Right(change(table, ChangeKind.INSERT, null, row))));
    }
  }

  private void marker() throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Left(new ProgressMarker(lsn, lsn, at("2026-01-08T12:00:00Z"), true, true))));
    harness.prepareSnapshotPreBarrier(1);
  }

  @SuppressWarnings("unchecked")
  private List<EventProcessed> events() {
    List<EventProcessed> rows = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<ProgressMarker, EventProcessed>) value).isRight()) {
        rows.add(((Either<ProgressMarker, EventProcessed>) value).right());
      }
    }
    return rows;
  }

  @SuppressWarnings("unchecked")
  private List<ProgressMarker> markers() {
    List<ProgressMarker> markers = new ArrayList<>();
    for (Object record : harness.getOutput()) {
      Object value = ((StreamRecord<Object>) record).getValue();
      if (((Either<ProgressMarker, EventProcessed>) value).isLeft()) {
        markers.add(((Either<ProgressMarker, EventProcessed>) value).left());
      }
    }
    return markers;
  }

  private <T> List<T> side(OutputTag<T> tag) {
    Queue<StreamRecord<T>> queue = harness.getSideOutput(tag);
    return queue == null ? List.of() : queue.stream().map(StreamRecord::getValue).toList();
  }

  private List<DailyContribution> contributions() {
    return side(AttributeOperator.CONTRIBUTIONS);
  }

  @Test
  void contributionsGoOutAddedUpBeforeTheBarrier() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(contributions()).isEmpty();
    marker();
    assertThat(contributions()).hasSize(2);
    assertThat(markers()).hasSize(1);
  }

  @Test
  void anErasedUserLeavesNeitherStateNorTimer() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    assertThat(harness.numKeyedStateEntries()).isOne();
    harness.processElement1(
        new StreamRecord<>(
            change(SourceTable.USERS, ChangeKind.DELETE, UserScenario.userRow(), null)));
    harness.setProcessingTime(100_000);
    marker();
    assertThat(harness.numKeyedStateEntries()).isZero();
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void whatWaitsGoesOutByItsTimerAndTheTimerIsGone() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    marker();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).isEmpty();
    assertThat(harness.numProcessingTimeTimers()).isOne();
    harness.setProcessingTime(20_000);
    assertThat(events()).hasSize(1);
    assertThat(harness.numProcessingTimeTimers()).isZero();
  }

  @Test
  void duringTheSnapshotAMissingReferenceIsOnlyLate() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(60_000);
    assertThat(events()).isEmpty();
    marker();
    harness.setProcessingTime(120_000);
    assertThat(events()).hasSize(1);
  }

  @Test
  void aRestoredOperatorKnowsItsUsersAndItsDimensions() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(snapshot);
    harness.open();
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    assertThat(events()).as("the same row again").isEmpty();
    send(SourceTable.EVENTS, event(2, "conversion", CONTROL, JAN_8, null));
    assertThat(events().get(0).experimentKey()).isEqualTo("exp");
    marker();
    assertThat(contributions()).hasSize(1);
    assertThat(contributions().get(0).sums().newConverters()).isOne();
    assertThat(contributions().get(0).sums().newUsers()).isZero();
  }

  @Test
  void whatWasSpilledIsCorrectedAfterARestartAndLeavesNoState() throws Exception {
    harness.close();
    harness = newHarness(UserAttributionTest.holding(1));
    harness.open();
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    marker();
    for (int i = 1; i <= 4; i++) {
      send(SourceTable.EVENTS, event(i, "exposure", CONTROL, JAN_8, null));
    }
    assertThat(events()).hasSize(3);
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(UserAttributionTest.holding(1));
    harness.initializeState(snapshot);
    harness.open();
    assertThat(harness.numKeyedStateEntries()).as("the user, and its events").isEqualTo(2);
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    assertThat(events())
        .hasSize(4)
        .allMatch(row -> row.inconsistencies().length == 0 && row.assignedVariantId() == CONTROL);
    marker();
    assertThat(harness.numKeyedStateEntries()).isOne();
  }

  @Test
  void aCutIsLoweredAfterARestartUntilWhatWaitedHasGoneOut() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    long before = lsn;
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    assertThat(markers().get(0).lsn()).isEqualTo(before);
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();

    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.setProcessingTime(1_000);
    harness.initializeState(snapshot);
    harness.open();
    marker();
    assertThat(markers().get(0).lsn()).isEqualTo(before);
    harness.setProcessingTime(60_000);
    marker();
    assertThat(markers().get(1).lsn()).isEqualTo(lsn);
  }

  @Test
  void otherStatisticsSettingsThanTheSavepointsAreRefused() throws Exception {
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    try (var other = newHarness(CrossoverPolicy.FIRST)) {
      assertThatThrownBy(() -> other.initializeState(snapshot)).hasRootCauseMessage(expected());
    }
  }

  private static String expected() {
    return "The statistics settings differ from those of the savepoint: statistics.crossover was EXCLUDE and is FIRST"
        + ". Restore the old settings, or start without the savepoint and into an empty ClickHouse database, so that"
        + " everything is counted again (./etl resync does that beside the old tables).";
  }

  @Test
  void anExperimentThatComesAfterItsOnlyEventWasDeletedIsResolvedAllTheSame() throws Exception {
    marker();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    harness.setProcessingTime(120_000);
    EventRow gone = event(1, "exposure", CONTROL, JAN_8, null);
    harness.processElement1(
        new StreamRecord<>(change(SourceTable.EVENTS, ChangeKind.DELETE, gone, null)));
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isTrue();
    sendDimensions();
    assertThat(lastOf(FindingCode.R_ORPHAN_EXPERIMENT).open()).isFalse();
    assertThat(lastOf(FindingCode.R_ORPHAN_VARIANT).open()).isFalse();
  }

  private Finding lastOf(FindingCode code) {
    return harness.getSideOutput(AttributeOperator.FINDINGS).stream()
        .map(StreamRecord::getValue)
        .filter(Either::isRight)
        .map(Either::right)
        .filter(finding -> finding.code() == code)
        .reduce((first, second) -> second)
        .orElseThrow();
  }

  @Test
  void anExperimentWhoseDatesChangeRestatesItsUsers() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    marker();
    int sent = contributions().size();
    ExperimentRow later =
        new ExperimentRow(
            EXPERIMENT,
            "exp",
            "Exp",
            null,
            "ACTIVE",
            null,
            2,
            null,
            at("2026-01-09T00:00:00Z"),
            null,
            0,
            0);
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, later, later))));
    marker();
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
    assertThat(events()).as("no row is sent again").hasSize(1);
  }

  private void sendStatus(String status) throws Exception {
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(
                change(
                    SourceTable.EXPERIMENTS,
                    ChangeKind.UPDATE,
                    null,
                    new ExperimentRow(
                        EXPERIMENT,
                        "exp",
                        "Exp",
                        null,
                        status,
                        null,
                        1,
                        null,
                        null,
                        null,
                        0,
                        0)))));
  }

  @Test
  void anEventOfAPausedExperimentIsFoundByAStatusThatOutlivesARestart() throws Exception {
    sendDimensions();
    sendStatus("PAUSED");
    OperatorSubtaskState saved = harness.snapshot(1, 1);
    harness.close();
    harness = newHarness(CrossoverPolicy.EXCLUDE);
    harness.initializeState(saved);
    harness.open();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "page_view", CONTROL, "2026-01-08T12:00:00Z", null));
    send(SourceTable.EVENTS, event(2, "page_view", CONTROL, JAN_8, null));
    assertThat(events())
        .extracting(row -> List.of(row.inconsistencies()).contains(FindingCode.T_NOT_RUNNING))
        .containsExactly(true, false);
  }

  private static final MetricConfig SPENT = MetricConfig.mean("spent", "conversion", "amount");

  /** With the default catalogue, and another metric. */
  private static JobConfig with(MetricConfig metric) {
    List<MetricConfig> metrics = new ArrayList<>(StatisticsConfig.defaults().metrics());
    metrics.add(metric);
    return withMetrics(metrics.toArray(MetricConfig[]::new));
  }

  private static JobConfig withMetrics(MetricConfig... metrics) {
    return UserAttributionTest.config(StatisticsConfig.defaults().withMetrics(metrics));
  }

  private static EventRow spent(int id, String at, int amount) {
    return event(id, "conversion", CONTROL, at, "{\"amount\": " + amount + "}");
  }

  /** Two users' events of January 8, and the state that knows them. */
  private OperatorSubtaskState snapshotOfTwoConversions() throws Exception {
    sendDimensions();
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, spent(2, JAN_8, 3));
    send(SourceTable.EVENTS, spent(3, "2026-01-09T10:00:00Z", 4));
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    harness.close();
    return snapshot;
  }

  private void restore(OperatorSubtaskState snapshot, AttributeOperator operator) throws Exception {
    harness = newHarness(operator);
    harness.initializeState(snapshot);
    harness.open();
  }

  /** The warehouse shows these rows, from the given reading on. */
  private static AttributeOperator restating(JobConfig config, int from, EventRow... rows) {
    AtomicInteger readings = new AtomicInteger();
    return new AttributeOperator(
        config,
        Set.of(SPENT.name()),
        () -> new ShownEvents(() -> readings.getAndIncrement() >= from, rows));
  }

  private record ShownEvents(BooleanSupplier visible, EventRow... rows) implements RawEvents {
    @Override
    public void read(
        Collection<String> userIds,
        Collection<String> eventTypes,
        long from,
        Consumer<EventRow> events) {
      if (visible.getAsBoolean()) {
        List.of(rows).forEach(events);
      }
    }

    @Override
    public void readAsOf(
        Collection<Long> experimentIds,
        Collection<String> userIds,
        long bound,
        Consumer<EventRow> events,
        Consumer<AssignmentRow> assignments) {}

    @Override
    public void close() {}
  }

  @Test
  void aMetricThatBeginsBehindTheSavepointCountsNobodyOfBefore() throws Exception {
    OperatorSubtaskState snapshot = snapshotOfTwoConversions();
    // Nothing is shown, and nothing is waited for.
    restore(
        snapshot,
        restating(with(SPENT.withSince(LocalDate.parse("2026-01-11"))), Integer.MAX_VALUE));
    send(SourceTable.EVENTS, spent(4, "2026-01-12T10:00:00Z", 5));
    marker();
    assertThat(contributions())
        .extracting(contribution -> contribution.key().metric())
        .containsExactly("conversion");
    assertThat(lastOf(FindingCode.M_STARTED).detail())
        .isEqualTo("counted for users first exposed on or after 2026-01-11");
  }

  @Test
  void aRestatedMetricIsCountedFromTheRawRowsAndGoesOnFromThere() throws Exception {
    OperatorSubtaskState snapshot = snapshotOfTwoConversions();
    JobConfig config = with(SPENT.withSince(LocalDate.parse("2026-01-08")));
    EventRow[] rows = {spent(2, JAN_8, 3), spent(3, "2026-01-09T10:00:00Z", 4)};
    restore(snapshot, restating(config, 2, rows));
    marker();
    assertThat(contributions())
        .allMatch(contribution -> contribution.key().metric().equals("spent"))
        .extracting(contribution -> contribution.sums().dSumSq().divide(BigInteger.TEN.pow(12)))
        .containsExactlyInAnyOrder(BigInteger.valueOf(9), BigInteger.valueOf(2 * 3 * 4 + 16));

    OperatorSubtaskState restated = harness.snapshot(2, 2);
    harness.close();
    restore(restated, restating(config, Integer.MAX_VALUE));
    send(SourceTable.EVENTS, spent(4, "2026-01-10T10:00:00Z", 5));
    marker();
    assertThat(contributions())
        .filteredOn(contribution -> contribution.key().metric().equals("spent"))
        .extracting(contribution -> contribution.sums().dSumSq())
        .containsExactly(BigInteger.valueOf(2 * 7 * 5 + 25).multiply(BigInteger.TEN.pow(12)));
    assertThat(side(AttributeOperator.FINDINGS))
        .as("said once")
        .noneMatch(f -> f.isRight() && f.right().code() == FindingCode.M_STARTED);
  }

  @Test
  void aRawRowThatIsNotAsTheSavepointKnowsItIsNotCounted() throws Exception {
    OperatorSubtaskState snapshot = snapshotOfTwoConversions();
    JobConfig impatient =
        ConfigBuilder.from(with(SPENT.withSince(LocalDate.parse("2026-01-08"))))
            .with(ClickHouseConfig::commitDeadline, Duration.ZERO)
            .build();
    assertThatThrownBy(
            () ->
                restore(
                    snapshot,
                    restating(
                        impatient, 0, spent(2, JAN_8, 3), spent(3, "2026-01-09T10:00:00Z", 5))))
        .hasMessageContaining(
            "To restate spent, 2 events of the users [u1] … are read from events_processed, and 1 of them are missing there");
  }

  @Test
  void anAddedMetricWithoutSinceIsRefusedAndOneThatEndedDoesNotComeBack() throws Exception {
    OperatorSubtaskState snapshot = snapshotOfTwoConversions();
    try (var other = newHarness(with(SPENT))) {
      assertThatThrownBy(() -> other.initializeState(snapshot))
          .rootCause()
          .hasMessageContaining(
              "statistics.metrics: spent was added without since: set since: 2026-01-10 or later");
    }
    MetricConfig conversion = StatisticsConfig.defaults().metrics().get(0);
    restore(snapshot, new AttributeOperator(withMetrics(conversion)));
    marker();
    assertThat(contributions()).isEmpty();
    assertThat(lastOf(FindingCode.M_ENDED).subject()).isEqualTo(Subject.metric("revenue"));
    OperatorSubtaskState ended = harness.snapshot(2, 2);
    try (var other = newHarness(UserAttributionTest.config(CrossoverPolicy.EXCLUDE))) {
      assertThatThrownBy(() -> other.initializeState(ended))
          .rootCause()
          .hasMessageContaining("statistics.metrics: revenue was counted once");
    }
  }

  /** Of an experiment that ended on January 9; the warehouse shows what the operator has sent. */
  private AttributeOperator eviction(
      List<EventProcessed> rows, List<AssignmentProcessed> assignments) {
    return eviction(rows, assignments, DeliveryConfig.defaults());
  }

  private AttributeOperator eviction(
      List<EventProcessed> rows, List<AssignmentProcessed> assignments, DeliveryConfig delivery) {
    JobConfig config =
        ConfigBuilder.defaults()
            .with(JobConfig::delivery, delivery)
            .with(StateConfig::evictAfter, Duration.ofDays(2))
            .build();
    return new AttributeOperator(config, Set.of(), () -> new StoredRows(rows, assignments));
  }

  private void sendDates(String endsAt) throws Exception {
    ExperimentRow row =
        new ExperimentRow(
            EXPERIMENT, "exp", "Exp", null, "ACTIVE", null, 1, null, null, at(endsAt), 0, 0);
    harness.processElement2(
        new StreamRecord<>(
            Either.Right(change(SourceTable.EXPERIMENTS, ChangeKind.UPDATE, row, row))));
  }

  private void barrier(long checkpoint, String committedAt) throws Exception {
    harness.processElement2(
        new StreamRecord<>(Either.Left(new ProgressMarker(lsn, lsn, at(committedAt), true, true))));
    harness.prepareSnapshotPreBarrier(checkpoint);
  }

  @Test
  void factsSettleBehindABarrierAndAreBroughtBackAfterARestart() throws Exception {
    List<EventProcessed> rows = new ArrayList<>();
    List<AssignmentProcessed> assignments = new ArrayList<>();
    harness.close();
    harness = newHarness(eviction(rows, assignments));
    harness.open();
    harness.setProcessingTime(1_000);
    sendDimensions();
    sendDates("2026-01-09T00:00:00Z");
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    send(SourceTable.EVENTS, event(2, "purchase", CONTROL, JAN_8, "{\"revenue\": 3}"));
    for (int i = 3; i < 200; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-14T00:00:00Z");
    long whole = harness.snapshot(1, 1).getStateSize();
    rows.addAll(events());
    side(AttributeOperator.ASSIGNMENTS).stream()
        .filter(Either::isRight)
        .map(Either::right)
        .forEach(assignments::add);
    barrier(2, "2026-01-14T00:00:00Z");
    assertThat(harness.snapshot(2, 2).getStateSize())
        .as("lateness and pause not over")
        .isEqualTo(whole);

    barrier(3, "2026-01-14T00:00:01Z");
    OperatorSubtaskState snapshot = harness.snapshot(3, 3);
    assertThat(snapshot.getStateSize()).isLessThan(whole - 197 * 40);
    assertThat(harness.numKeyedStateEntries()).isOne();
    assertThat(harness.numProcessingTimeTimers()).isZero();
    harness.close();

    harness = newHarness(eviction(rows, assignments));
    harness.initializeState(snapshot);
    harness.open();
    send(SourceTable.EVENTS, event(200, "purchase", CONTROL, JAN_8, "{\"revenue\": 2}"));
    assertThat(new EventEncoder().isReplayStable(events().get(0)))
        .as("no checkpoint holds the facts that are needed again")
        .isFalse();
    barrier(4, "2026-01-14T00:00:01Z");
    assertThat(contributions())
        .extracting(contribution -> contribution.sums().dSumSq())
        .contains(BigInteger.valueOf((2 * 3 * 2 + 4) * 1_000_000_000_000L));
    send(SourceTable.EVENTS, event(201, "page_view", CONTROL, JAN_8, null));
    harness.notifyOfCompletedCheckpoint(4);
    send(SourceTable.EVENTS, event(202, "page_view", CONTROL, JAN_8, null));
    assertThat(events())
        .extracting(row -> new EventEncoder().isReplayStable(row))
        .containsExactly(false, false, true);
  }

  @Test
  void withRowsWrittenThroughNothingSettlesAfterARestartUntilTheyHaveComeAgain() throws Exception {
    DeliveryConfig lowLatency = new DeliveryConfig(DeliveryMode.LOW_LATENCY, Duration.ofMillis(50));
    List<EventProcessed> rows = new ArrayList<>();
    List<AssignmentProcessed> assignments = new ArrayList<>();
    harness.close();
    harness = newHarness(eviction(rows, assignments, lowLatency));
    harness.open();
    sendDimensions();
    sendDates("2026-01-09T00:00:00Z");
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    for (int i = 1; i < 200; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-13T00:00:00Z");
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    rows.addAll(events());
    side(AttributeOperator.ASSIGNMENTS).stream()
        .filter(Either::isRight)
        .map(Either::right)
        .forEach(assignments::add);
    harness.close();

    harness = newHarness(eviction(rows, assignments, lowLatency));
    harness.initializeState(snapshot);
    harness.setProcessingTime(at("2026-01-14T00:00:01Z") / 1000);
    harness.open();
    barrier(2, "2026-01-14T00:10:00Z");
    assertThat(harness.snapshot(2, 2).getStateSize()).isEqualTo(snapshot.getStateSize());
    barrier(3, "2026-01-14T00:10:02Z");
    assertThat(harness.snapshot(3, 3).getStateSize())
        .isLessThan(snapshot.getStateSize() - 197 * 40);
  }

  @Test
  void datesThatMoveRestateUsersWhoseFactsHaveSettled() throws Exception {
    List<EventProcessed> rows = new ArrayList<>();
    List<AssignmentProcessed> assignments = new ArrayList<>();
    harness.close();
    harness = newHarness(eviction(rows, assignments));
    harness.open();
    sendDimensions();
    sendDates("2026-01-09T00:00:00Z");
    send(SourceTable.USERS, UserScenario.userRow());
    send(SourceTable.ASSIGNMENTS, assignment(CONTROL, "hash", JAN_8));
    send(SourceTable.EVENTS, event(1, "exposure", CONTROL, JAN_8, null));
    for (int i = 2; i < 100; i++) {
      send(SourceTable.EVENTS, event(i, "page_view", CONTROL, JAN_8, null));
    }
    barrier(1, "2026-01-14T00:00:00Z");
    long whole = harness.snapshot(1, 1).getStateSize();
    rows.addAll(events());
    side(AttributeOperator.ASSIGNMENTS).stream()
        .filter(Either::isRight)
        .forEach(row -> assignments.add(row.right()));
    barrier(2, "2026-01-20T00:00:00Z");
    int sent = contributions().size();
    assertThat(sent).isPositive();
    assertThat(harness.snapshot(2, 2).getStateSize())
        .as("they have settled")
        .isLessThan(whole - 98 * 40);

    sendDates("2026-01-07T00:00:00Z");
    barrier(3, "2026-01-20T00:00:00Z");
    assertThat(contributions().subList(sent, contributions().size()))
        .hasSize(2)
        .allMatch(contribution -> contribution.sums().newUsers() == -1);
  }
}
