package io.experimentetl.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/**
 * What the rounds of the bench give: by reader the rows per second, and by process the processor
 * seconds, each as the median of the rounds with the lowest and the highest value.
 */
record BenchFigures(Map<String, OfReader> readers) {
  /** The median of the rounds, and their lowest and highest value. */
  record Spread(double median, double min, double max) {
    static Spread of(List<Double> rounds) {
      TreeSet<Double> sorted = new TreeSet<>(rounds);
      return new Spread(SizeFigures.median(rounds), sorted.first(), sorted.last());
    }
  }

  /**
   * The figures of a reader.
   *
   * @param cpuSeconds by process, per million rows
   */
  record OfReader(Spread rowsPerSecond, Map<String, Spread> cpuSeconds) {}

  /** The figures of the measurements, in the order in which the readers come first. */
  static BenchFigures of(List<Measured> all) {
    Map<String, List<Measured>> byReader = new LinkedHashMap<>();
    for (Measured one : all) {
      byReader.computeIfAbsent(one.reader(), reader -> new ArrayList<>()).add(one);
    }
    Map<String, OfReader> readers = new LinkedHashMap<>();
    byReader.forEach((reader, rounds) -> readers.put(reader, ofReader(rounds)));
    return new BenchFigures(readers);
  }

  private static OfReader ofReader(List<Measured> rounds) {
    Map<String, Spread> cpuSeconds = new LinkedHashMap<>();
    for (String process : rounds.get(0).cpuSeconds().keySet()) {
      cpuSeconds.put(
          process,
          Spread.of(
              rounds.stream()
                  .map(round -> round.cpuSeconds().get(process) * 1e6 / round.rows())
                  .toList()));
    }
    return new OfReader(
        Spread.of(rounds.stream().map(Measured::rowsPerSecond).toList()), cpuSeconds);
  }

  /** Prints a table; the first reader is the one that the others are compared with. */
  void print(int rows, PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "%,d event rows, from the commit until all were read: medians of the rounds (lowest - highest); CPU seconds per million rows%n%n",
        rows);
    out.printf(
        "%-30s %26s %14s %16s %16s %16s %16s%n",
        "reader", "rows/s", "etl is x times", "Flink", "JobManager", "PostgreSQL", "ClickHouse");
    double job = readers.values().iterator().next().rowsPerSecond().median();
    readers.forEach(
        (reader, figures) ->
            out.printf(
                Locale.ROOT,
                "%-30s %26s %14.2f %16s %16s %16s %16s%n",
                reader,
                text("%,.0f (%,.0f - %,.0f)", figures.rowsPerSecond()),
                job / figures.rowsPerSecond().median(),
                cpu(figures, "Flink"),
                cpu(figures, "JobManager"),
                cpu(figures, "PostgreSQL"),
                cpu(figures, "ClickHouse")));
  }

  private static String cpu(OfReader figures, String process) {
    Spread spread = figures.cpuSeconds().get(process);
    return spread == null ? "" : text("%.1f (%.1f - %.1f)", spread);
  }

  private static String text(String format, Spread spread) {
    return String.format(Locale.ROOT, format, spread.median(), spread.min(), spread.max());
  }

  /** Writes the figures as JSON. */
  void write(Path file) throws IOException {
    new ObjectMapper()
        .enable(SerializationFeature.INDENT_OUTPUT)
        .writeValue(file.toFile(), readers);
  }
}
