package io.experimentetl.config;

import static io.experimentetl.config.ValueType.choice;
import static io.experimentetl.config.ValueType.integer;
import static io.experimentetl.config.ValueType.text;

import java.io.Serializable;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a metric is judged for. It changes no figure.
 *
 * @param experiments keys of the experiments that the metric is for, in which an asterisk stands
 *     for any text; empty: all. It is counted in every experiment, and judged in these
 * @param role decides what is judged by the metric
 * @param direction the direction of an improvement; null: none, each difference is only one
 * @param order place among the metrics of a result, the smallest first; null: that of the metric in
 *     the configuration
 */
public record MetricPurpose(
    List<String> experiments, MetricRole role, MetricDirection direction, Integer order)
    implements Serializable {
  /** A goal of every experiment. */
  public static final MetricPurpose DEFAULT =
      new MetricPurpose(List.of(), MetricRole.GOAL, null, null);

  public MetricPurpose {
    experiments = List.copyOf(experiments);
  }

  static MetricPurpose read(Section section) {
    return new MetricPurpose(
        section.list("experiments", text(), List.of()),
        section.get("role", choice(MetricRole.class), MetricRole.GOAL),
        section.optional("direction", choice(MetricDirection.class)),
        section.optional("order", integer(1, 1_000_000)));
  }

  /** Whether H-METRIC-MISSING is judged by the metric in an experiment. */
  public boolean isJudgedIn(String experimentKey) {
    return role != MetricRole.DIAGNOSTIC && experimentKey.matches(experimentPattern());
  }

  /** A regular expression of the whole keys of the experiments that the metric is for. */
  public String experimentPattern() {
    return experiments.isEmpty()
        ? "^(?s).*$"
        : experiments.stream()
            .map(key -> key.replaceAll("[^\\p{L}\\p{N}_*-]", "\\\\$0").replace("*", ".*"))
            .collect(Collectors.joining("|", "^(?s)(", ")$"));
  }
}
