package io.experimentetl.maintenance;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a clean-up has done, or would do.
 *
 * @param complete false: the time was over; what was deleted stays deleted, and another run goes on
 */
public record CleanupReport(boolean dryRun, boolean complete, List<Table> tables) {

  /**
   * A table's share.
   *
   * @param store {@code postgresql} or {@code clickhouse}
   * @param olderThan in UTC
   * @param rows that were deleted, or would be
   * @param refusedRows that stay because ClickHouse may not have them
   * @param note what else is to be said; null: nothing
   */
  public record Table(
      String store,
      String table,
      String olderThan,
      long rows,
      long refusedRows,
      List<Day> days,
      String note) {}

  /** The rows of one day of UTC. */
  public record Day(String day, long rows, long refusedRows) {}

  /** Adds up a table's days. */
  static final class Counting {
    private final Map<String, long[]> days = new TreeMap<>();

    void add(String day, long rows, long refused) {
      long[] sums = days.computeIfAbsent(day, key -> new long[2]);
      sums[0] += rows;
      sums[1] += refused;
    }

    Table table(String store, String table, String olderThan, String note) {
      return new Table(
          store,
          table,
          olderThan,
          days.values().stream().mapToLong(sums -> sums[0]).sum(),
          days.values().stream().mapToLong(sums -> sums[1]).sum(),
          days.entrySet().stream()
              .map(day -> new Day(day.getKey(), day.getValue()[0], day.getValue()[1]))
              .toList(),
          note);
    }
  }
}
