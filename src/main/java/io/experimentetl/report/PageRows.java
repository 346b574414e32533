package io.experimentetl.report;

import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;

/** What several parts of the page read from the views' rows. */
final class PageRows {
  static final DateTimeFormatter DAY = DateTimeFormatter.ofPattern("d MMM uuuu", Locale.ENGLISH);

  private PageRows() {}

  /** The first and the last day of rows in order, in words. */
  static String between(List<Figures.Row> rows, String column) {
    String first = DAY.format(day(rows.get(0), column));
    String last = DAY.format(day(last(rows), column));
    return first.equals(last) ? "On " + first : first + " to " + last;
  }

  static LocalDate day(Figures.Row row, String column) {
    return LocalDate.parse(row.text(column));
  }

  static Figures.Row last(List<Figures.Row> rows) {
    return rows.get(rows.size() - 1);
  }

  static boolean isControl(List<Figures.Row> rows) {
    return last(rows).isTrue("is_control");
  }

  static long variantId(Figures.Row row) {
    return row.get("variant_id").asLong();
  }

  static String variantName(Figures.Row row) {
    return row.text("variant_key").isEmpty()
        ? "variant " + row.text("variant_id")
        : row.text("variant_key");
  }

  static double orZero(Double number) {
    return number == null ? 0 : number;
  }
}
