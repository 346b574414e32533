package io.experimentetl.bench;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * The time that a reader took for a backlog.
 *
 * @param seconds from the commit until the reader had passed on the last row
 * @param cpuSeconds processor time in that period, by process
 */
record Measured(String reader, int rows, double seconds, Map<String, Double> cpuSeconds) {
  private static final Waiting WAITING =
      new Waiting(Duration.ofMillis(250), Duration.ofMinutes(10));

  double rowsPerSecond() {
    return rows / seconds;
  }

  /**
   * Commits a backlog and waits for a reader.
   *
   * @param processes the processes to measure, by name
   * @param seen whether the reader has passed on every row
   */
  static Measured measure(
      String reader, int rows, Map<String, Long> processes, Runnable commit, BooleanSupplier seen) {
    commit.run();
    Map<String, Double> before = cpu(processes);
    double seconds =
        WAITING.secondsUntil(
            System.nanoTime(), seen, () -> reader + " did not read " + rows + " rows");
    Map<String, Double> used = new LinkedHashMap<>();
    cpu(processes).forEach((name, after) -> used.put(name, after - before.get(name)));
    return new Measured(reader, rows, seconds, used);
  }

  private static Map<String, Double> cpu(Map<String, Long> processes) {
    Map<String, Double> seconds = new LinkedHashMap<>();
    processes.forEach((name, pid) -> seconds.put(name, CpuSeconds.of(pid)));
    return seconds;
  }
}
