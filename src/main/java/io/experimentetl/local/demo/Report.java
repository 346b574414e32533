package io.experimentetl.local.demo;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The found and the expected figures of a check. Each line is printed as soon as it is known. */
final class Report {
  private static final String ROW = "%-66s %10s  %s";

  private final PrintWriter out;
  private final List<String> notes = new ArrayList<>();
  private boolean good = true;

  Report(PrintWriter out) {
    this.out = out;
    print("check", "expected", "found");
  }

  void equal(String what, long expected, long found) {
    good &= expected == found;
    print(what, number(expected), number(found) + (expected == found ? "  ok" : "  WRONG"));
  }

  /** A figure that nothing is expected of. */
  void fact(String what, String found) {
    print(what, "", found);
  }

  /** Explains a wrong line; printed at the end. */
  void note(String text) {
    notes.add(text);
  }

  boolean isGood() {
    return good;
  }

  /**
   * Prints the notes and the verdict.
   *
   * @param folder the servers' remaining data and logs
   */
  void end(Path folder) {
    notes.forEach(out::println);
    out.println(
        good
            ? "PASSED"
            : "FAILED: data and logs are in %1$s until the next run; ./etl up --directory %1$s starts the servers on them"
                .formatted(folder));
    out.flush();
  }

  static String number(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  private void print(String what, String expected, String found) {
    out.println(ROW.formatted(what, expected, found));
    out.flush();
  }
}
