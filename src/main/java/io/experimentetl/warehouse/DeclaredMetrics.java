package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.clickhouse.TableSchema;
import io.experimentetl.config.MetricConfig;
import io.experimentetl.config.MetricPurpose;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The table {@code metrics}: what each configured metric is judged for. The views join it. A start
 * writes the rows that differ from the table's, so that a start that is repeated writes nothing. A
 * metric that is no longer configured keeps its row, because its results stay.
 */
public final class DeclaredMetrics {
  private static final Duration TIMEOUT = Duration.ofMinutes(1);

  private static final String WRITE_CHANGES =
      """
      INSERT INTO metrics (metric, place, role, direction, experiments, _version)
      WITH (SELECT max(_version) FROM metrics) AS newest
      SELECT d.1, d.2, d.3, d.4, d.5, newest + 1
      FROM (SELECT arrayJoin([%s]) AS d)
      WHERE d NOT IN (SELECT (toString(metric), toInt64(place), toString(role), toString(direction), experiments) FROM metrics FINAL)
      SETTINGS transform_null_in = 0
      """;

  /** What {@link #write} needs. */
  public static final TableSchema SCHEMA =
      TableSchema.of("metrics")
          .column("metric", "LowCardinality(String)")
          .column("place", "Int32")
          .column("role", "LowCardinality(String)")
          .column("direction", "LowCardinality(String)")
          .column("experiments", "String")
          .column("_version", "UInt64");

  private DeclaredMetrics() {}

  /**
   * Writes what differs.
   *
   * @param metrics in the order of the configuration
   * @throws ClickHouseReadException the warehouse did not take it
   */
  public static void write(ClickHouseConnection warehouse, List<MetricConfig> metrics)
      throws ClickHouseReadException, InterruptedException {
    if (metrics.isEmpty()) {
      return;
    }
    String rows =
        IntStream.range(0, metrics.size())
            .mapToObj(i -> row(metrics.get(i), i + 1))
            .collect(Collectors.joining(", "));
    try (ClickHouseReader reader = new ClickHouseReader(warehouse)) {
      reader.execute(WRITE_CHANGES.formatted(rows), TIMEOUT);
    }
  }

  private static String row(MetricConfig metric, int placeInList) {
    MetricPurpose purpose = metric.purpose();
    return "(%s, toInt64(%d), %s, %s, %s)"
        .formatted(
            ClickHouseReader.literal(metric.name()),
            purpose.order() == null ? placeInList : purpose.order(),
            ClickHouseReader.literal(purpose.role().name().toLowerCase(Locale.ROOT)),
            ClickHouseReader.literal(
                purpose.direction() == null
                    ? ""
                    : purpose.direction().name().toLowerCase(Locale.ROOT)),
            ClickHouseReader.literal(purpose.experimentPattern()));
  }
}
