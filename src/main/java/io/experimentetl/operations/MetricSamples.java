package io.experimentetl.operations;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Samples of {@link ServerMetric}, and their text in Prometheus' exposition format. The format is
 * written here because the tool's jar has no client library of Prometheus: Flink's distribution
 * brings that of the reporter.
 */
final class MetricSamples {
  private final Map<ServerMetric, List<String>> lines = new EnumMap<>(ServerMetric.class);

  /** Adds a sample without labels. */
  void add(ServerMetric metric, double value) {
    add(metric, value, "");
  }

  /** Adds a sample with one label. */
  void add(ServerMetric metric, double value, String label, String labelValue) {
    add(metric, value, "{" + label(label, labelValue) + "}");
  }

  /** Adds a sample with two labels. */
  void add(
      ServerMetric metric,
      double value,
      String label,
      String labelValue,
      String secondLabel,
      String secondValue) {
    add(
        metric,
        value,
        "{" + label(label, labelValue) + "," + label(secondLabel, secondValue) + "}");
  }

  private void add(ServerMetric metric, double value, String labels) {
    lines
        .computeIfAbsent(metric, ignored -> new ArrayList<>())
        .add(metric.text() + labels + " " + number(value));
  }

  private static String label(String name, String value) {
    return name
        + "=\""
        + value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n")
        + "\"";
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? String.format(Locale.ROOT, "%d", (long) value)
        : Double.toString(value);
  }

  /** The samples of all servers as one text, grouped by metric. */
  static String text(Collection<MetricSamples> all) {
    StringBuilder text = new StringBuilder();
    for (ServerMetric metric : ServerMetric.values()) {
      List<String> found = new ArrayList<>();
      for (MetricSamples samples : all) {
        found.addAll(samples.lines.getOrDefault(metric, List.of()));
      }
      if (!found.isEmpty()) {
        text.append("# HELP ").append(metric.text()).append(' ').append(metric.help());
        text.append("\n# TYPE ").append(metric.text()).append(" gauge\n");
        found.forEach(line -> text.append(line).append('\n'));
      }
    }
    return text.toString();
  }
}
