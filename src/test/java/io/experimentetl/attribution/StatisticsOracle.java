package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.MetricTerm;
import io.experimentetl.config.Population;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.DailyKey;
import io.experimentetl.model.DailySums;
import io.experimentetl.model.EventRow;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The daily statistics of one user, computed from the contract a second time in the slow way: from
 * cumulative totals per day, whose differences are the increments.
 */
final class StatisticsOracle {
  private final StatisticsConfig config;
  private final ExperimentDimension experiment;
  private final Set<Long> variants;

  StatisticsOracle(StatisticsConfig config, ExperimentDimension experiment, Set<Long> variants) {
    this.config = config;
    this.experiment = experiment;
    this.variants = variants;
  }

  Map<DailyKey, DailySums> daily(AssignmentRow assignment, List<EventRow> rows) {
    return daily(assignment, rows, List.of());
  }

  /**
   * The statistics.
   *
   * @param shared the user's events that name no experiment
   */
  Map<DailyKey, DailySums> daily(
      AssignmentRow assignment, List<EventRow> rows, List<EventRow> shared) {
    if (assignment == null
        || List.of("override", "forced").contains(assignment.source())
        || !variants.contains(assignment.variantId())) {
      return Map.of();
    }
    List<EventRow> sent =
        Stream.concat(
                earliest(rows),
                earliest(shared).filter(event -> !event.eventType().equals("exposure")))
            .toList();
    List<EventRow> events = sent.stream().filter(this::inside).toList();
    List<EventRow> exposures =
        events.stream().filter(event -> event.eventType().equals("exposure")).toList();
    Set<Long> seen =
        Stream.concat(
                Stream.of(assignment.variantId()),
                exposures.stream().map(EventRow::variantId).filter(id -> id != null))
            .collect(Collectors.toSet());
    Long first = entry(assignment, exposures);
    if (first == null || (seen.size() > 1 && config.crossover() == CrossoverPolicy.EXCLUDE)) {
      return Map.of();
    }
    Map<DailyKey, DailySums> result = new HashMap<>();
    for (MetricConfig metric : config.metrics()) {
      if (metric.since() == null || !dayOf(first).isBefore(metric.since())) {
        Totals totals = totals(metric, first, sent, events);
        Set<LocalDate> days = new TreeSet<>(Set.of(dayOf(first)));
        Stream.of(exposures, totals.counted(), totals.below())
            .flatMap(List::stream)
            .forEach(event -> days.add(day(event)));
        for (LocalDate day : days) {
          result.put(
              new DailyKey(
                  experiment.id(), assignment.variantId(), metric.name(), (int) day.toEpochDay()),
              sums(metric, totals, day, dayOf(first).equals(day), on(day, exposures).size()));
        }
      }
    }
    return result;
  }

  private static Stream<EventRow> earliest(List<EventRow> rows) {
    return rows.stream().collect(Collectors.groupingBy(EventRow::id)).values().stream()
        .map(same -> same.stream().min(Comparator.comparingLong(EventRow::occurredAt)).get());
  }

  /**
   * The events and the covariate of one metric.
   *
   * @param counted events of the numerator
   * @param below events of the denominator
   * @param x the covariate
   */
  private record Totals(List<EventRow> counted, List<EventRow> below, BigDecimal x) {}

  private Totals totals(
      MetricConfig metric, long first, List<EventRow> sent, List<EventRow> events) {
    MetricTerm numerator = metric.numerator();
    Instant opens = instant(first).plus(metric.delay());
    List<EventRow> timely =
        events.stream()
            .filter(event -> !instant(event.occurredAt()).isBefore(opens))
            .filter(
                event ->
                    metric.window() == null
                        || instant(event.occurredAt()).isBefore(opens.plus(metric.window())))
            .toList();
    List<EventRow> before =
        metric.covariate() == null
            ? List.of()
            : sent.stream()
                .filter(event -> event.occurredAt() < first)
                .filter(
                    event ->
                        !instant(event.occurredAt())
                            .isBefore(instant(first).minus(metric.covariate())))
                .toList();
    return new Totals(
        worth(numerator, timely),
        worth(metric.denominator(), timely),
        capped(metric, sum(numerator, worth(numerator, before))));
  }

  private DailySums sums(
      MetricConfig metric, Totals totals, LocalDate day, boolean isNew, long exposed) {
    MetricTerm numerator = metric.numerator();
    LocalDate yesterday = day.minusDays(1);
    BigDecimal y0 = capped(metric, sum(numerator, until(yesterday, totals.counted())));
    BigDecimal y1 = capped(metric, sum(numerator, until(day, totals.counted())));
    BigDecimal z0 = sum(metric.denominator(), until(yesterday, totals.below()));
    BigDecimal z1 = sum(metric.denominator(), until(day, totals.below()));
    BigDecimal x = totals.x();
    List<EventRow> converting = on(day, totals.counted());
    boolean isActive = exposed > 0 || !converting.isEmpty() || !on(day, totals.below()).isEmpty();
    return new DailySums(
        exposed,
        isActive ? 1 : 0,
        converting.isEmpty() ? 0 : 1,
        converting.size(),
        metric.property() == null ? BigInteger.ZERO : millionths(sum(numerator, converting), 1),
        isNew ? 1 : 0,
        !converting.isEmpty() && until(yesterday, totals.counted()).isEmpty() ? 1 : 0,
        millionths(y1.subtract(y0), 1),
        millionths(y1.pow(2).subtract(y0.pow(2)), 2),
        millionths(z1.subtract(z0), 1),
        millionths(z1.pow(2).subtract(z0.pow(2)), 2),
        millionths(y1.multiply(z1).subtract(y0.multiply(z0)), 2),
        isNew ? millionths(x, 1) : BigInteger.ZERO,
        isNew ? millionths(x.pow(2), 2) : BigInteger.ZERO,
        millionths(x.multiply(y1).subtract(x.multiply(y0)), 2));
  }

  private Long entry(AssignmentRow assignment, List<EventRow> exposures) {
    if (config.population() == Population.EXPOSURE) {
      return exposures.isEmpty()
          ? null
          : Long.valueOf(exposures.stream().mapToLong(EventRow::occurredAt).min().getAsLong());
    }
    Long entry =
        config.population() == Population.ENROLLED
            ? assignment.enrolledAt()
            : Long.valueOf(assignment.assignedAt());
    return entry != null && inside(entry) ? entry : null;
  }

  /** The events that the term counts. */
  private static List<EventRow> worth(MetricTerm term, List<EventRow> events) {
    return term == null
        ? List.of()
        : events.stream()
            .filter(event -> event.eventType().equals(term.eventType()))
            .filter(event -> term.fact() == null || term.fact().equals(event.fact()))
            .filter(event -> value(term, event) != null)
            .toList();
  }

  private static BigDecimal sum(MetricTerm term, List<EventRow> events) {
    return events.stream()
        .map(event -> value(term, event))
        .reduce(BigDecimal.ZERO, BigDecimal::add);
  }

  private static BigDecimal capped(MetricConfig metric, BigDecimal total) {
    if (metric.kind() == MetricKind.PROPORTION) {
      return total.signum() > 0 ? BigDecimal.ONE : BigDecimal.ZERO;
    }
    return metric.cap() == null || total.compareTo(metric.cap()) < 0 ? total : metric.cap();
  }

  private boolean inside(EventRow event) {
    return inside(event.occurredAt());
  }

  private boolean inside(long at) {
    return (experiment.startsAt() == null || at >= experiment.startsAt())
        && (experiment.endsAt() == null || at <= experiment.endsAt());
  }

  private List<EventRow> until(LocalDate day, List<EventRow> events) {
    return events.stream().filter(event -> !day(event).isAfter(day)).toList();
  }

  private List<EventRow> on(LocalDate day, List<EventRow> events) {
    return events.stream().filter(event -> day(event).equals(day)).toList();
  }

  private LocalDate day(EventRow event) {
    return dayOf(event.occurredAt());
  }

  private LocalDate dayOf(long at) {
    return instant(at).atZone(ZoneId.of(experiment.zone())).toLocalDate();
  }

  private static Instant instant(long micros) {
    return Instant.ofEpochSecond(0, micros * 1000);
  }

  private static BigDecimal value(MetricTerm term, EventRow event) {
    if (term.property() == null) {
      return BigDecimal.ONE;
    }
    Matcher property =
        Pattern.compile("\"" + term.property() + "\": (-?[0-9.]+)")
            .matcher(event.properties() == null ? "" : event.properties());
    if (!property.find()) {
      return null;
    }
    BigDecimal value = new BigDecimal(property.group(1)).setScale(6, RoundingMode.DOWN);
    return value.signum() < 0 ? null : value;
  }

  private static BigInteger millionths(BigDecimal value, int power) {
    return value.movePointRight(6 * power).toBigIntegerExact();
  }
}
