package io.experimentetl.audit;

import io.experimentetl.model.Lsn;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * The result of an audit.
 *
 * @param sourceLsn the LSN of PostgreSQL's snapshot
 * @param warehouseLsn the LSN of the progress marker that ClickHouse had at the first fence
 * @param verdictMarker the progress marker at the last fence
 * @param fences number of fences that were needed
 * @param healthDays rows of experiment_health_daily
 * @param enrichment results for the columns that the job adds to facts
 * @param openFindings rows of data_inconsistencies that are OPEN
 * @param unjudgedWeights rows of experiment_health_daily that are older than their variants'
 *     weights, so that their weights could not be compared
 * @param retainedExperiments experiments whose statistics were compared with ClickHouse's rows
 *     only, because PostgreSQL's retention has removed some of their rows
 * @param expiredExperiments experiments whose statistics could not be recomputed, because
 *     ClickHouse's retention has removed some of their rows
 * @param missingColumns columns that PostgreSQL's tables do not have, and that were not compared
 * @param endedMetrics metrics that are no longer counted (M-ENDED), and were not compared
 * @param differences differences that were confirmed at a second fence, or found at every fence
 * @param undecided rows and cells that changed before each fence and could not be judged
 */
public record AuditReport(
    long sourceLsn,
    Instant takenAt,
    long warehouseLsn,
    Warehouse.Progress verdictMarker,
    int fences,
    List<TableLine> lines,
    int experiments,
    int cells,
    int healthDays,
    List<EnrichmentComparison.Result> enrichment,
    long openFindings,
    long unjudgedWeights,
    Set<Long> retainedExperiments,
    Set<Long> expiredExperiments,
    Set<String> endedMetrics,
    List<String> missingColumns,
    List<Difference> differences,
    List<Difference> undecided,
    Duration took) {
  private static final int MAX_PRINTED = 200;
  private static final int MAX_UNDECIDED_PRINTED = 20;

  /**
   * A table's day.
   *
   * @param day null: the table has no days
   * @param retained rows that the retention of one side has removed
   * @param flagged rows of PostgreSQL that cannot be delivered, with a finding in
   *     data_inconsistencies
   */
  public record TableLine(
      String table,
      LocalDate day,
      long source,
      long warehouse,
      long retained,
      long flagged,
      int differences) {}

  /**
   * One difference.
   *
   * @param place table, and day where there is one
   * @param table ClickHouse's name of it
   * @param subject the row, or the statistics' cell, with its key
   */
  public record Difference(
      String place, String table, Observation.Kind kind, String subject, String problem) {
    @Override
    public String toString() {
      return place + ": " + subject + " " + problem;
    }
  }

  public boolean isEqual() {
    return differences.isEmpty();
  }

  /** Prints the table, each difference, and the verdict. */
  public void print(PrintWriter out) {
    out.printf(
        "PostgreSQL %s: the LSN of its snapshot, taken at %s%n"
            + "ClickHouse %s: the LSN up to which it shows everything; no row of the snapshot is in flight%n%n",
        Lsn.print(sourceLsn), takenAt.truncatedTo(ChronoUnit.SECONDS), Lsn.print(warehouseLsn));
    printTables(out);
    printNotJudged(out);
    printExceptions(out);
    printDifferences(out);
    out.printf(
        "%s, after %s and %.1f s%n",
        isEqual()
            ? "EQUAL"
            : "DIFFERENT: "
                + (differences.size() == 1
                    ? "1 difference"
                    : count(differences.size()) + " differences"),
        fences == 1 ? "one fence" : fences + " fences",
        took.toMillis() / 1000.0);
    out.flush();
  }

  private void printTables(PrintWriter out) {
    String format = "%-12s %-10s %14s %14s %12s  %s%n";
    out.printf(format, "table", "day", "PostgreSQL", "ClickHouse", "excepted", "status");
    for (TableLine line : lines) {
      out.printf(
          format,
          line.table(),
          line.day() == null ? "all" : line.day(),
          count(line.source()),
          count(line.warehouse()),
          line.retained() + line.flagged() == 0 ? "" : count(line.retained() + line.flagged()),
          status(line));
    }
    out.printf(
        "%-22s %s experiments, %s cells: %s%n",
        "statistics", count(experiments), count(cells), verdict(StatisticsComparison.PLACE));
    out.printf(
        "%-22s %s experiment days: %s%n",
        "health", count(healthDays), verdict(HealthComparison.PLACE));
    for (EnrichmentComparison.Result table : enrichment) {
      out.printf(
          "%-22s joined columns and codes of %s rows: %s%n",
          table.table(), count(table.rows()), verdict(table.table()));
    }
    out.printf(
        "%-22s %s open: %s%n",
        FindingsComparison.PLACE, count(openFindings), verdict(FindingsComparison.PLACE));
  }

  private void printExceptions(PrintWriter out) {
    if (!retainedExperiments.isEmpty()) {
      out.printf(
          "PostgreSQL's retention has removed rows of experiments %s: their statistics were compared with ClickHouse's rows only.%n",
          retainedExperiments);
    }
    if (!expiredExperiments.isEmpty()) {
      out.printf(
          "ClickHouse's retention has removed rows of experiments %s: their statistics could not be recomputed.%n",
          expiredExperiments);
    }
    if (!missingColumns.isEmpty()) {
      out.printf(
          "PostgreSQL does not have the columns %s: the job reads them as NULL, and they were not compared.%n",
          String.join(", ", missingColumns));
    }
    if (!endedMetrics.isEmpty()) {
      out.printf(
          "The metrics %s are no longer counted (M-ENDED): their days keep their figures and were not compared.%n",
          endedMetrics);
    }
  }

  private void printDifferences(PrintWriter out) {
    out.println();
    differences.stream().limit(MAX_PRINTED).forEach(out::println);
    if (differences.size() > MAX_PRINTED) {
      out.printf("… and %s more%n", count(differences.size() - MAX_PRINTED));
    }
    if (!undecided.isEmpty()) {
      out.printf(
          "%s rows or cells changed before every fence and could not be judged; run it again when fewer writes happen:%n",
          count(undecided.size()));
      undecided.stream()
          .limit(MAX_UNDECIDED_PRINTED)
          .forEach(moving -> out.printf("  %s: %s%n", moving.place(), moving.subject()));
    }
  }

  private void printNotJudged(PrintWriter out) {
    for (EnrichmentComparison.Result table : enrichment) {
      for (EnrichmentComparison.NotJudged rows : table.notJudged()) {
        out.printf(
            "not judged: %s rows of %s in %s, because %s%n",
            count(rows.rows()), rows.table(), rows.columns(), rows.why());
      }
    }
    if (unjudgedWeights > 0) {
      out.printf(
          "not judged: %s rows of experiment_health_daily in weights, because a variant was changed after the row was written%n",
          count(unjudgedWeights));
    }
  }

  private String verdict(String table) {
    long differing =
        differences.stream()
            .filter(d -> d.place().equals(table) || d.place().startsWith(table + " "))
            .count();
    return differing == 0 ? "equal" : count(differing) + (differing == 1 ? " DIFFERS" : " DIFFER");
  }

  private static String status(TableLine line) {
    String excepted = "";
    if (line.retained() > 0) {
      excepted += " (" + count(line.retained()) + " on one side only by retention)";
    }
    if (line.flagged() > 0) {
      excepted += " (" + count(line.flagged()) + " undeliverable, flagged)";
    }
    return (line.differences() == 0
            ? "equal"
            : count(line.differences()) + (line.differences() == 1 ? " DIFFERS" : " DIFFER"))
        + excepted;
  }

  private static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }
}
