package io.experimentetl.cdc;

import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Whole days in UTC.
 *
 * @param from the first day, days since 1970-01-01
 * @param to the last day, days since 1970-01-01
 */
public record DayRange(int from, int to) {
  private static final Pattern RANGE =
      Pattern.compile("FOR VALUES FROM \\('([^']+)'\\) TO \\('([^']+)'\\)");

  /** As PostgreSQL prints a timestamptz with DateStyle ISO. */
  private static final DateTimeFormatter TIME =
      new DateTimeFormatterBuilder()
          .appendPattern("yyyy-MM-dd HH:mm:ss")
          .appendOptional(DateTimeFormatter.ofPattern("[.SSSSSS][.SSSSS][.SSSS][.SSS][.SS][.S]"))
          .appendPattern("[XXX][X]")
          .toFormatter(Locale.ROOT);

  /**
   * The days on which the rows of a partition by time can lie; empty: any.
   *
   * @param bound as pg_get_expr prints it; null: none
   */
  static Optional<DayRange> ofBound(String bound) {
    Matcher range = RANGE.matcher(bound == null ? "" : bound);
    if (!range.matches()) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new DayRange(
              day(OffsetDateTime.parse(range.group(1), TIME)),
              day(OffsetDateTime.parse(range.group(2), TIME))));
    } catch (DateTimeException notATime) {
      return Optional.empty();
    }
  }

  private static int day(OffsetDateTime time) {
    return Math.toIntExact(time.withOffsetSameInstant(ZoneOffset.UTC).toLocalDate().toEpochDay());
  }
}
