package io.experimentetl.warehouse;

import io.experimentetl.clickhouse.ClickHouseConnection;
import io.experimentetl.clickhouse.ClickHouseReadException;
import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.model.AllocationHistory;
import io.experimentetl.model.AllocationPhase;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The phases of allocations that a warehouse holds. A resync carries them over. */
public final class KnownAllocations {
  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  private static final String PHASES =
      """
      SELECT experiment_id, phase, judged_as, toUnixTimestamp64Micro(from_time) AS from_micros, variant_ids, weights
      FROM experiment_allocations FINAL
      ORDER BY experiment_id, phase
      """;

  private record Row(long experimentId, int judgedAs, AllocationPhase phase) {}

  private KnownAllocations() {}

  /**
   * Reads them all, by experiment. Their sequence numbers are left out: the reader of another
   * snapshot compares times.
   *
   * @throws ClickHouseReadException the warehouse can't be read
   */
  public static Map<Long, AllocationHistory> read(ClickHouseConnection warehouse)
      throws ClickHouseReadException, InterruptedException {
    try (ClickHouseReader reader = new ClickHouseReader(warehouse)) {
      Map<Long, List<Row>> rows = new HashMap<>();
      for (Row row : reader.list(PHASES, Map.of(), TIMEOUT, KnownAllocations::row)) {
        rows.computeIfAbsent(row.experimentId(), id -> new ArrayList<>()).add(row);
      }
      Map<Long, AllocationHistory> histories = new HashMap<>();
      rows.forEach((experimentId, of) -> histories.put(experimentId, history(of)));
      return histories;
    }
  }

  private static AllocationHistory history(List<Row> rows) {
    int mergedUpTo = 0;
    List<AllocationPhase> phases = new ArrayList<>();
    for (Row row : rows) {
      if (row.judgedAs() > row.phase().number()) {
        mergedUpTo = Math.max(mergedUpTo, row.judgedAs());
      }
      if (row.phase().number() != AllocationPhase.UNKNOWN) {
        phases.add(row.phase());
      }
    }
    return new AllocationHistory(phases.toArray(AllocationPhase[]::new), mergedUpTo);
  }

  private static Row row(ResultSet row) throws SQLException {
    return new Row(
        row.getLong("experiment_id"),
        row.getInt("judged_as"),
        new AllocationPhase(
            row.getInt("phase"),
            0,
            row.getLong("from_micros"),
            longs(row.getArray("variant_ids")),
            doubles(row.getArray("weights")),
            false));
  }

  private static long[] longs(Array array) throws SQLException {
    Object[] values = (Object[]) array.getArray();
    long[] numbers = new long[values.length];
    for (int i = 0; i < values.length; i++) {
      numbers[i] = ((Number) values[i]).longValue();
    }
    return numbers;
  }

  private static double[] doubles(Array array) throws SQLException {
    Object[] values = (Object[]) array.getArray();
    double[] numbers = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      numbers[i] = ((Number) values[i]).doubleValue();
    }
    return numbers;
  }
}
