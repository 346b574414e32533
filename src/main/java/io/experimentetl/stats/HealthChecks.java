package io.experimentetl.stats;

import static io.experimentetl.model.FindingCode.H_CROSSOVER_RATE;
import static io.experimentetl.model.FindingCode.H_METRIC_MISSING;
import static io.experimentetl.model.FindingCode.H_MISSING_VARIANT;
import static io.experimentetl.model.FindingCode.H_NO_EXPOSURES;
import static io.experimentetl.model.FindingCode.H_OUTLIER;
import static io.experimentetl.model.FindingCode.H_SRM;
import static io.experimentetl.model.FindingCode.H_VOLUME;

import io.experimentetl.config.FindingsConfig;
import io.experimentetl.config.HealthConfig;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricKind;
import io.experimentetl.config.StatisticsConfig;
import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.ExperimentHealth;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.MetricTotals;
import io.experimentetl.model.Subject;
import io.experimentetl.quality.ExperimentChecks;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Finds the symptoms of one whole experiment, as a pure function of its rows and figures at a
 * commit time (microseconds since 1970 in UTC).
 */
final class HealthChecks {
  /**
   * A day is judged this long after its end, so that clients that were offline have sent by then.
   */
  static final Duration VOLUME_DELAY = Duration.ofHours(1);

  static final int VOLUME_DAYS = 7;

  /** Relative error of sums of weights that are fractions. */
  private static final double ROUNDING = 1e-9;

  /** Among fewer users with the event, a few naturally hold most of the sum. */
  static final long OUTLIER_MINIMUM_CONVERTERS = 100;

  private final long experimentId;
  private final ExperimentRun run;
  private final Map<Long, VariantWeight> variants;
  private final HealthLedger ledger;
  private final long now;
  private final FindingsConfig findings;
  private final HealthConfig health;
  private final List<MetricConfig> metrics;
  private final List<Symptom> symptoms = new ArrayList<>();

  private HealthChecks(
      long experimentId,
      ExperimentRun run,
      Map<Long, VariantWeight> variants,
      HealthLedger ledger,
      long now,
      FindingsConfig findings,
      StatisticsConfig statistics) {
    this.experimentId = experimentId;
    this.run = run;
    this.variants = variants;
    this.ledger = ledger;
    this.now = now;
    this.findings = findings;
    this.health = findings.health();
    this.metrics = statistics.metrics();
  }

  /**
   * The symptoms.
   *
   * @param run null: there is no such experiment
   * @param variants the experiment's, by id
   */
  static List<Symptom> of(
      long experimentId,
      ExperimentRun run,
      Map<Long, VariantWeight> variants,
      AllocationHistory allocation,
      HealthLedger ledger,
      long now,
      FindingsConfig findings,
      StatisticsConfig statistics) {
    HealthChecks checks =
        new HealthChecks(experimentId, run, variants, ledger, now, findings, statistics);
    ExperimentHealth figures = ledger.asOfNow(weights(variants), allocation);
    checks.sampleRatio(figures);
    if (run != null) {
      checks.design();
      checks.crossovers(figures);
      checks.missingVariants(figures);
      checks.exposures(figures);
      checks.metrics();
      checks.volume();
    }
    return checks.symptoms;
  }

  static Map<Long, Double> weights(Map<Long, VariantWeight> variants) {
    Map<Long, Double> weights = new HashMap<>();
    variants.forEach((id, variant) -> weights.put(id, variant.allocation()));
    return weights;
  }

  /**
   * When time alone may change the symptoms next; Long.MAX_VALUE: never. {@link HealthVerdicts}
   * knows when a pending symptom is due.
   */
  static long nextChangeAt(ExperimentRun run, long now) {
    if (run == null || !run.isActive()) {
      return Long.MAX_VALUE;
    }
    long dayTurnsAt =
        micros(
                LocalDate.ofEpochDay(dayOf(now - micros(VOLUME_DELAY), run.zone()) + 1L)
                    .atStartOfDay(ZoneId.of(run.zone()))
                    .toInstant())
            + micros(VOLUME_DELAY);
    return LongStream.of(
            run.startsAt() == null ? now : run.startsAt(),
            run.endsAt() == null ? now : run.endsAt() + 1,
            dayTurnsAt)
        .filter(at -> at > now)
        .min()
        .orElse(Long.MAX_VALUE);
  }

  private void sampleRatio(ExperimentHealth figures) {
    double judgedUsers = Arrays.stream(figures.expectedUsers()).sum();
    long judgedVariants = Arrays.stream(figures.expectedUsers()).filter(users -> users > 0).count();
    if (figures.srmDegreesOfFreedom() > 0
        && figures.srmP() < findings.srmAlertP()
        && judgedUsers >= (double) judgedVariants * findings.srmMinimumUsersPerVariant()) {
      add(
          H_SRM,
          "chi-square %.2f with %d degrees of freedom, p = %.3g",
          figures.srmChiSquare(),
          figures.srmDegreesOfFreedom(),
          figures.srmP());
    }
  }

  private void design() {
    int controls = (int) variants.values().stream().filter(VariantWeight::control).count();
    double allocations = variants.values().stream().mapToDouble(VariantWeight::allocation).sum();
    for (FindingCode violation :
        ExperimentChecks.designViolations(
            run.status(), controls, findings.allocationsArePercent() ? allocations : 100)) {
      String detail =
          "%d variants, of which %d are the control; their allocations add up to %s"
              .formatted(variants.size(), controls, Allocations.text(allocations));
      symptoms.add(new Symptom(violation, subject(), detail, Long.MIN_VALUE, true));
    }
  }

  private void crossovers(ExperimentHealth figures) {
    long exposed = LongStream.of(figures.exposedUsers()).sum();
    if (areManyCrossovers(figures.crossoverUsers(), exposed, health)) {
      add(
          H_CROSSOVER_RATE,
          "%d of %d exposed users, %.1f %%",
          figures.crossoverUsers(),
          exposed,
          100.0 * figures.crossoverUsers() / exposed);
    }
  }

  /** Whether an experiment has more crossovers than is usual. */
  static boolean areManyCrossovers(long crossovers, long exposed, HealthConfig health) {
    return crossovers >= health.crossoverMinimumUsers()
        && crossovers >= health.crossoverShare() * exposed;
  }

  private void missingVariants(ExperimentHealth figures) {
    boolean[] notAssigned =
        withoutUsers(
            figures.assignedUsers(), figures.expectedUsers(), health.variantMinimumUsers());
    boolean[] notExposed =
        withoutUsers(figures.exposedUsers(), figures.expectedUsers(), health.variantMinimumUsers());
    for (int i = 0; i < figures.variantIds().length; i++) {
      if (notAssigned[i] || notExposed[i]) {
        symptoms.add(
            Symptom.of(
                H_MISSING_VARIANT,
                Subject.experimentVariant(experimentId, figures.variantIds()[i]),
                notAssigned[i]
                    ? "no user was assigned to it"
                    : "users were assigned to it, and none was exposed"));
      }
    }
  }

  /**
   * Which variants have no user although, by their weights and the users of the others, they should
   * have at least the minimum. Weights in proportion to the assigned users that the variants expect
   * take phases of the allocation into account. Where e users are expected, none arrives with
   * probability e^-e (Poisson).
   */
  static boolean[] withoutUsers(long[] users, double[] weights, int minimumExpected) {
    boolean[] withoutUsers = new boolean[users.length];
    long totalUsers = 0;
    double totalWeight = 0;
    for (int i = 0; i < users.length; i++) {
      totalUsers += weights[i] > 0 ? users[i] : 0;
      totalWeight += weights[i];
    }
    for (int i = 0; i < users.length; i++) {
      withoutUsers[i] =
          weights[i] > 0
              && users[i] == 0
              && totalUsers * weights[i] >= minimumExpected * totalWeight * (1 - ROUNDING);
    }
    return withoutUsers;
  }

  private void exposures(ExperimentHealth figures) {
    if (run.isActive()
        && run.isRunningAt(now)
        && LongStream.of(figures.exposedUsers()).allMatch(users -> users == 0)) {
      String detail =
          "%d users are assigned, none has entered it"
              .formatted(LongStream.of(figures.assignedUsers()).sum());
      symptoms.add(
          new Symptom(
              H_NO_EXPOSURES,
              subject(),
              detail,
              run.runningSince() + micros(health.noExposuresAfter()),
              false));
    }
  }

  private void metrics() {
    for (MetricConfig metric : metrics) {
      Subject subject = Subject.experimentMetric(experimentId, metric.name());
      long events = ledger.metric(metric.name()).stream().mapToLong(MetricTotals::events).sum();
      long exposed = usersWhoCouldHave(metric);
      if (events == 0
          && exposed >= health.metricMinimumUsers()
          && metric.purpose().isJudgedIn(run.key())) {
        symptoms.add(
            Symptom.of(
                H_METRIC_MISSING,
                subject,
                "%d users were exposed, no %s was counted".formatted(exposed, metric.eventType())));
      }
      if (metric.kind() != MetricKind.PROPORTION) {
        ledger.metric(metric.name()).stream()
            .filter(totals -> totals.converters() >= OUTLIER_MINIMUM_CONVERTERS)
            .map(OutlierShares::of)
            .filter(shares -> shares.ofSum() >= health.outlierShare())
            .max(Comparator.comparingDouble(OutlierShares::ofSum))
            .ifPresent(shares -> symptoms.add(Symptom.of(H_OUTLIER, subject, shares.inWords())));
      }
    }
  }

  private long usersWhoCouldHave(MetricConfig metric) {
    return metric.delay().isZero()
        ? ledger.exposedBefore(Integer.MAX_VALUE)
        : ledger.exposedBefore(dayOf(now - micros(metric.delay()), run.zone()));
  }

  private void volume() {
    int day = dayOf(now - micros(VOLUME_DELAY), run.zone()) - 1;
    boolean judged =
        run.isActive()
            && ledger.firstDayWithExposures() < day - VOLUME_DAYS
            && (run.endsAt() == null || dayOf(run.endsAt(), run.zone()) > day);
    if (!judged) {
      return;
    }
    long[] before = new long[VOLUME_DAYS];
    Arrays.setAll(before, i -> ledger.exposuresOn(day - VOLUME_DAYS + i));
    long exposures = ledger.exposuresOn(day);
    if (isUnusual(exposures, before, health.volumeMinimumExposures())) {
      add(
          H_VOLUME,
          "%d exposures on %s, after %s on the seven days before",
          exposures,
          LocalDate.ofEpochDay(day),
          Arrays.toString(before));
    }
  }

  /**
   * Whether a day has less than half, or more than twice, the exposures of both the median of the
   * seven days before and the same weekday a week before. The median alone would report each
   * weekend, the weekday alone each day a week after a holiday.
   *
   * @param before the seven days before, oldest first
   * @param minimum no day is unusual where the median is below it
   */
  static boolean isUnusual(long exposures, long[] before, int minimum) {
    long[] sorted = before.clone();
    Arrays.sort(sorted);
    long median = sorted[sorted.length / 2];
    return median >= minimum
        && (2 * exposures < Math.min(median, before[0])
            || exposures > 2 * Math.max(median, before[0]));
  }

  private void add(FindingCode code, String format, Object... arguments) {
    symptoms.add(Symptom.of(code, subject(), String.format(Locale.ROOT, format, arguments)));
  }

  private Subject subject() {
    return Subject.experiment(experimentId);
  }

  private static int dayOf(long micros, String zone) {
    return Math.toIntExact(
        LocalDate.ofInstant(Instant.EPOCH.plus(micros, ChronoUnit.MICROS), ZoneId.of(zone))
            .toEpochDay());
  }

  private static long micros(Duration duration) {
    return duration.toMillis() * 1000;
  }

  private static long micros(Instant instant) {
    return ChronoUnit.MICROS.between(Instant.EPOCH, instant);
  }
}
