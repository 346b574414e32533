package io.experimentetl.attribution;

import static io.experimentetl.attribution.UserScenario.CONTROL;
import static io.experimentetl.attribution.UserScenario.assignment;
import static io.experimentetl.attribution.UserScenario.at;
import static io.experimentetl.attribution.UserScenario.event;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.experimentetl.config.ClickHouseConfig;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.warehouse.RawEvents;
import java.math.BigInteger;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.junit.jupiter.api.Test;

/** A start from a savepoint with other settings of the statistics. */
class RestatedMetricsTest extends AttributeOperatorHarness {
  @Test
  void settingsThatDifferFromTheSavepointAreRefused() throws Exception {
    marker();
    OperatorSubtaskState snapshot = harness.snapshot(1, 1);
    try (var other = newHarness(CrossoverPolicy.FIRST)) {
      assertThatThrownBy(() -> other.initializeState(snapshot)).hasRootCauseMessage(expected());
    }
  }

  private static String expected() {
    return "The statistics settings differ from those of the savepoint: statistics.crossover was EXCLUDE and is FIRST"
        + ". Restore the old settings, or start without the savepoint and into an empty ClickHouse database, so that"
        + " everything is counted again (./etl resync does that next to the old tables).";
  }

  private static final MetricConfig SPENT = MetricConfig.mean("spent", "conversion", "amount");

  /** The default metrics and another one. */
  private static JobConfig with(MetricConfig metric) {
    List<MetricConfig> metrics = new ArrayList<>(StatisticsConfig.defaults().metrics());
    metrics.add(metric);
    return withMetrics(metrics.toArray(MetricConfig[]::new));
  }

  private static JobConfig withMetrics(MetricConfig... metrics) {
    return UserScenario.config(StatisticsConfig.defaults().withMetrics(metrics));
  }

  private static EventRow spent(int id, String at, int amount) {
    return event(id, "conversion", CONTROL, at, "{\"amount\": " + amount + "}");
  }

  /** State with a user's two conversions, of January 8 and 9. */
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

  /** An operator in front of a warehouse that shows these rows from the given query on. */
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
        Events events,
        Assignments assignments) {}

    @Override
    public void close() {}
  }

  @Test
  void metricThatBeginsAfterTheSavepointCountsOnlyNewUsers() throws Exception {
    OperatorSubtaskState snapshot = snapshotOfTwoConversions();
    // The warehouse shows nothing, and the operator does not wait for it.
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
  void restatedMetricIsRecountedFromTheRawRows() throws Exception {
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
        .as("reported once")
        .noneMatch(f -> f.isRight() && f.right().code() == FindingCode.M_STARTED);
  }

  @Test
  void rawRowThatDiffersFromTheSavepointIsNotCounted() throws Exception {
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
  void metricWithoutSinceAndEndedMetricAreRefused() throws Exception {
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
    try (var other = newHarness(UserScenario.config(CrossoverPolicy.EXCLUDE))) {
      assertThatThrownBy(() -> other.initializeState(ended))
          .rootCause()
          .hasMessageContaining("statistics.metrics: revenue was counted once");
    }
  }
}
