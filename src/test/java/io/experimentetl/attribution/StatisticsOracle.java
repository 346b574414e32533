package io.experimentetl.attribution;

import io.experimentetl.config.CrossoverPolicy;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
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
 * The daily statistics of one user, written down from the contract once more, the slow way: from
 * whole totals per day, whose differences are the increments.
 */
final class StatisticsOracle {
  private static final Pattern REVENUE = Pattern.compile("\"revenue\": (-?[0-9.]+)");

  private final StatisticsConfig config;
  private final ExperimentDimension experiment;
  private final Set<Long> variants;

  StatisticsOracle(StatisticsConfig config, ExperimentDimension experiment, Set<Long> variants) {
    this.config = config;
    this.experiment = experiment;
    this.variants = variants;
  }

  Map<DailyKey, DailySums> daily(AssignmentRow assignment, List<EventRow> rows) {
    if (assignment == null
        || List.of("override", "forced").contains(assignment.source())
        || !variants.contains(assignment.variantId())) {
      return Map.of();
    }
    List<EventRow> events =
        rows.stream().collect(Collectors.groupingBy(EventRow::id)).values().stream()
            .map(same -> same.stream().min(Comparator.comparingLong(EventRow::occurredAt)).get())
            .filter(this::inside)
            .toList();
    List<EventRow> exposures =
        events.stream().filter(event -> event.eventType().equals("exposure")).toList();
    Set<Long> seen =
        Stream.concat(
                Stream.of(assignment.variantId()),
                exposures.stream().map(EventRow::variantId).filter(id -> id != null))
            .collect(Collectors.toSet());
    if (exposures.isEmpty() || (seen.size() > 1 && config.crossover() == CrossoverPolicy.EXCLUDE)) {
      return Map.of();
    }
    long first = exposures.stream().mapToLong(EventRow::occurredAt).min().getAsLong();
    Map<DailyKey, DailySums> result = new HashMap<>();
    for (MetricConfig metric : config.metrics()) {
      List<EventRow> counted =
          events.stream()
              .filter(event -> event.eventType().equals(metric.eventType()))
              .filter(event -> event.occurredAt() >= first)
              .filter(event -> metric.kind() == MetricKind.PROPORTION || value(event) != null)
              .toList();
      Set<LocalDate> days = new TreeSet<>();
      Stream.concat(exposures.stream(), counted.stream()).forEach(event -> days.add(day(event)));
      for (LocalDate day : days) {
        BigDecimal before = total(metric, counted, day.minusDays(1));
        BigDecimal after = total(metric, counted, day);
        long exposed = on(day, exposures).count();
        long converting = on(day, counted).count();
        boolean convertedBefore = counted.stream().anyMatch(event -> day(event).isBefore(day));
        result.put(
            new DailyKey(
                experiment.id(), assignment.variantId(), metric.name(), (int) day.toEpochDay()),
            new DailySums(
                exposed,
                1,
                converting > 0 ? 1 : 0,
                converting,
                metric.kind() == MetricKind.MEAN ? micros(after.subtract(before)) : BigInteger.ZERO,
                exposures.stream().map(this::day).min(Comparator.naturalOrder()).get().equals(day)
                    ? 1
                    : 0,
                converting > 0 && !convertedBefore ? 1 : 0,
                micros(after.subtract(before)),
                after.pow(2).subtract(before.pow(2)).movePointRight(12).toBigIntegerExact()));
      }
    }
    return result;
  }

  private boolean inside(EventRow event) {
    return (experiment.startsAt() == null || event.occurredAt() >= experiment.startsAt())
        && (experiment.endsAt() == null || event.occurredAt() <= experiment.endsAt());
  }

  private BigDecimal total(MetricConfig metric, List<EventRow> counted, LocalDate until) {
    List<EventRow> upTo = counted.stream().filter(event -> !day(event).isAfter(until)).toList();
    if (metric.kind() == MetricKind.PROPORTION) {
      return upTo.isEmpty() ? BigDecimal.ZERO : BigDecimal.ONE;
    }
    return upTo.stream().map(StatisticsOracle::value).reduce(BigDecimal.ZERO, BigDecimal::add);
  }

  private Stream<EventRow> on(LocalDate day, List<EventRow> events) {
    return events.stream().filter(event -> day(event).equals(day));
  }

  private LocalDate day(EventRow event) {
    return Instant.ofEpochSecond(0, event.occurredAt() * 1000)
        .atZone(ZoneId.of(experiment.zone()))
        .toLocalDate();
  }

  private static BigDecimal value(EventRow event) {
    Matcher revenue = REVENUE.matcher(event.properties() == null ? "" : event.properties());
    if (!revenue.find()) {
      return null;
    }
    BigDecimal value = new BigDecimal(revenue.group(1)).setScale(6, RoundingMode.DOWN);
    return value.signum() < 0 ? null : value;
  }

  private static BigInteger micros(BigDecimal value) {
    return value.movePointRight(6).toBigIntegerExact();
  }
}
