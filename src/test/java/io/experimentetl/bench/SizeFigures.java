package io.experimentetl.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** The sizes that are measured, and what comes of it; a picocli mixin. */
final class SizeFigures {
  static final int ROUNDS = 3;

  @Option(
      names = "--scale",
      paramLabel = "PERCENT",
      defaultValue = "100",
      description = "part of the sizes of docs/performance.md (default: ${DEFAULT-VALUE})")
  private int scale;

  int scaled(int size) {
    return (int) Math.max(20, (long) size * scale / 100);
  }

  static double median(List<Double> rounds) {
    return rounds.stream().sorted().skip(rounds.size() / 2).findFirst().orElseThrow();
  }

  /** With two digits behind the point. */
  static double rounded(double value) {
    return Math.round(value * 100) / 100.0;
  }

  /** Prints the figures as JSON. */
  static void print(Map<String, ?> figures, PrintWriter out) throws IOException {
    // As text: writing into it would close the writer, and the output would end without a newline.
    out.println(
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(figures));
    out.flush();
  }
}
