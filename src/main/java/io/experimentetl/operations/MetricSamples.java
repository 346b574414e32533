package io.experimentetl.operations;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Samples of {@link ServerMetric} that one server gave. */
final class MetricSamples {
  private record Sample(double value, String... labels) {}

  /** Adds the samples of one row of a server's answer. */
  @FunctionalInterface
  interface RowReader {
    void read(ResultSet row) throws SQLException;
  }

  private final Map<ServerMetric, List<Sample>> samples = new EnumMap<>(ServerMetric.class);

  /**
   * Adds a sample.
   *
   * @param labels names and values in turn
   */
  void add(ServerMetric metric, double value, String... labels) {
    samples.computeIfAbsent(metric, ignored -> new ArrayList<>()).add(new Sample(value, labels));
  }

  /**
   * Adds a sample of a count or of bytes; Prometheus holds every value as a double, exact up to
   * 2^53.
   */
  void add(ServerMetric metric, long value, String... labels) {
    add(metric, (double) value, labels);
  }

  /** Adds that a server answers, but not the question about something. */
  void addRefused(String server, String about) {
    add(ServerMetric.REFUSED, 1, "server", server, "about", about);
  }

  /** Writes the samples of all servers, grouped by metric. */
  static void write(Collection<MetricSamples> all, PrometheusText out) {
    for (ServerMetric metric : ServerMetric.values()) {
      List<Sample> found = new ArrayList<>();
      all.forEach(of -> found.addAll(of.samples.getOrDefault(metric, List.of())));
      if (!found.isEmpty()) {
        out.gauge(metric.text(), metric.help());
        found.forEach(sample -> out.sample(sample.value(), sample.labels()));
      }
    }
  }
}
