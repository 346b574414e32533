package io.experimentetl.platform.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What a check found, beside what it should have found. */
final class Report {
  private record Line(String what, String expected, String found, boolean good) {}

  private final List<Line> lines = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();

  void equal(String what, long expected, long found) {
    lines.add(new Line(what, number(expected), number(found), expected == found));
  }

  void atLeast(String what, long expected, long found) {
    lines.add(new Line(what, ">= " + number(expected), number(found), found >= expected));
  }

  /** A figure that nothing is expected of. */
  void fact(String what, String found) {
    lines.add(new Line(what, "", found, true));
  }

  void verdict(String what, String expected, String found, boolean good) {
    lines.add(new Line(what, expected, found, good));
  }

  /** Printed below the table. */
  void note(String text) {
    notes.add(text);
  }

  boolean good() {
    return lines.stream().allMatch(Line::good);
  }

  static String number(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  @Override
  public String toString() {
    int what = width(lines.stream().map(Line::what).toList(), "check");
    int expected = width(lines.stream().map(Line::expected).toList(), "expected");
    int found = width(lines.stream().map(Line::found).toList(), "found");
    String row = "%-" + what + "s  %" + expected + "s  %" + found + "s  %s%n";
    StringBuilder text =
        new StringBuilder(String.format(Locale.ROOT, row, "check", "expected", "found", ""));
    for (Line line : lines) {
      String verdict = line.expected().isEmpty() ? "" : line.good() ? "ok" : "WRONG";
      text.append(
          String.format(Locale.ROOT, row, line.what(), line.expected(), line.found(), verdict));
    }
    notes.forEach(note -> text.append(note).append(System.lineSeparator()));
    return text.toString().replaceAll(" +(\\R)", "$1");
  }

  private static int width(List<String> cells, String header) {
    return Math.max(header.length(), cells.stream().mapToInt(String::length).max().orElse(0));
  }
}
