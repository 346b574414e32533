package io.experimentetl.quality;

import static io.experimentetl.model.FindingCode.R_ORPHAN_USER;
import static io.experimentetl.model.FindingCode.S_UNKNOWN_EVENT_TYPE;
import static io.experimentetl.model.FindingCode.S_UNPARSEABLE;
import static io.experimentetl.model.FindingCode.T_ASSIGNMENT_AT_DRIFT;
import static io.experimentetl.model.FindingCode.T_CONVERSION_BEFORE_EXPOSURE;
import static io.experimentetl.model.FindingCode.T_EVENT_BEFORE_ASSIGNMENT;
import static io.experimentetl.model.FindingCode.T_FUTURE;
import static io.experimentetl.model.FindingCode.T_NOT_RUNNING;
import static io.experimentetl.model.FindingCode.T_OUT_OF_WINDOW;
import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventId;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.TestEvent;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EventChecksTest {
  private static final long HOUR = 3_600_000_000L;
  private static final long ASSIGNED_AT = 1_000 * HOUR;
  private static final AssignmentRow ASSIGNMENT =
      new AssignmentRow(7, 1, "u1", 11, 1, "hash", null, ASSIGNED_AT, null, 0, 0);

  private StatisticsConfig statistics = StatisticsConfig.defaults();
  private List<String> eventTypes = List.of();
  private boolean running = true;
  private boolean active = true;
  private AssignmentRow assignment = ASSIGNMENT;
  private long firstExposure = ASSIGNED_AT;

  private Set<FindingCode> violations(String type, long at, Long assignmentAt) {
    FindingsConfig findings =
        ConfigBuilder.defaults().with(FindingsConfig::eventTypes, eventTypes).build().findings();
    EventChecks checks = new EventChecks(statistics, findings);
    EventRow event =
        TestEvent.of(EventId.of("e"), at, 1, "u1", type)
            .with("variant_id", 11L)
            .with("assignment_at", assignmentAt)
            .row();
    return checks.violations(
        event,
        new EventReferences(
            true,
            running,
            active,
            true,
            1L,
            assignment,
            firstExposure,
            Long.MAX_VALUE / 2_000,
            false),
        checks.values(event),
        at,
        true);
  }

  @Test
  void eventOutsideOfTheDatesOrWithoutActiveStatusIsNotRunning() {
    assertThat(violations("page_view", ASSIGNED_AT, null)).isEmpty();
    running = false;
    assertThat(violations("page_view", ASSIGNED_AT, null)).containsExactly(T_NOT_RUNNING);
    running = true;
    active = false;
    assertThat(violations("page_view", ASSIGNED_AT, null)).containsExactly(T_NOT_RUNNING);
  }

  @Test
  void eventThatNamesNoExperimentHasNoCodeOfAnExperiment() {
    EventChecks checks = new EventChecks(statistics, FindingsConfig.defaults());
    EventRow event =
        TestEvent.of(EventId.of("e"), ASSIGNED_AT - HOUR, EventRow.SHARED, "u1", "conversion")
            .with("properties", "[]")
            .row();
    EventReferences user = EventReferences.shared(true);
    assertThat(checks.unresolved(event, user)).isEmpty();
    assertThat(checks.unresolved(event, EventReferences.shared(false)))
        .containsExactly(R_ORPHAN_USER);
    assertThat(
            checks.violations(event, user, checks.values(event), 1_000 * HOUR + ASSIGNED_AT, true))
        .containsExactly(S_UNPARSEABLE);
    assertThat(checks.violations(event, user, checks.values(event), 0, true))
        .containsExactly(T_FUTURE, S_UNPARSEABLE);
  }

  @Test
  void assignmentAtMayDifferFromAssignedAtByOneSecond() {
    assertThat(violations("page_view", ASSIGNED_AT, ASSIGNED_AT - 1_000_000)).isEmpty();
    assertThat(violations("page_view", ASSIGNED_AT, ASSIGNED_AT - 1_000_001))
        .containsExactly(T_ASSIGNMENT_AT_DRIFT);
    assertThat(violations("page_view", ASSIGNED_AT, ASSIGNED_AT + 1_000_001))
        .containsExactly(T_ASSIGNMENT_AT_DRIFT);
    assignment = null;
    assertThat(violations("page_view", ASSIGNED_AT, 0L)).isEmpty();
  }

  @Test
  void clocksMayBeASecondApart() {
    assertThat(violations("exposure", ASSIGNED_AT - 1_000_000, null)).isEmpty();
    assertThat(violations("exposure", ASSIGNED_AT - 1_000_001, null))
        .containsExactly(T_EVENT_BEFORE_ASSIGNMENT);
  }

  @Test
  void eventsOfACovariateBelongBeforeTheExposure() {
    MetricConfig spent = MetricConfig.mean("spent", "buy", "price");
    assertThat(unresolvedBeforeExposure(spent)).containsExactly(T_CONVERSION_BEFORE_EXPOSURE);
    assertThat(unresolvedBeforeExposure(spent.withCovariate(Duration.ofDays(7)))).isEmpty();
  }

  private Set<FindingCode> unresolvedBeforeExposure(MetricConfig metric) {
    EventChecks checks = new EventChecks(statistics.withMetrics(metric), FindingsConfig.defaults());
    return checks.unresolved(
        TestEvent.of(EventId.of("e"), ASSIGNED_AT - HOUR, 1, "u1", "buy").row(),
        new EventReferences(
            true,
            running,
            active,
            true,
            null,
            assignment,
            firstExposure,
            Long.MAX_VALUE / 2_000,
            false));
  }

  @Test
  void eventAfterTheWindowDoesNotCount() {
    statistics =
        statistics.withMetrics(
            MetricConfig.proportion("bought", "buy")
                .within(Duration.ofHours(1), Duration.ofHours(2)));
    assertThat(violations("buy", ASSIGNED_AT + 3 * HOUR - 1, null)).isEmpty();
    assertThat(violations("buy", ASSIGNED_AT + 3 * HOUR, null)).containsExactly(T_OUT_OF_WINDOW);
    assertThat(violations("other", ASSIGNED_AT + 3 * HOUR, null)).isEmpty();
    assertThat(violations("buy", ASSIGNED_AT, null)).as("before the delay has passed").isEmpty();
    firstExposure = Long.MAX_VALUE;
    assertThat(violations("buy", ASSIGNED_AT + 3 * HOUR, null)).as("never exposed").isEmpty();
  }

  @Test
  void eventThatAnotherMetricCountsIsInsideTheWindow() {
    MetricConfig early =
        MetricConfig.proportion("early", "buy").within(Duration.ZERO, Duration.ofHours(1));
    statistics = statistics.withMetrics(early, MetricConfig.count("all", "buy"));
    assertThat(violations("buy", ASSIGNED_AT + 2 * HOUR, null)).isEmpty();
  }

  @Test
  void eventTypeIsUnknownUnlessDeclared() {
    assertThat(violations("mystery", ASSIGNED_AT, null)).isEmpty();
    eventTypes = List.of("page_view");
    assertThat(violations("mystery", ASSIGNED_AT, null)).containsExactly(S_UNKNOWN_EVENT_TYPE);
    assertThat(violations("page_view", ASSIGNED_AT, null)).isEmpty();
    assertThat(violations("exposure", ASSIGNED_AT, null)).isEmpty();
    assertThat(violations("conversion", ASSIGNED_AT, null)).isEmpty();
  }
}
