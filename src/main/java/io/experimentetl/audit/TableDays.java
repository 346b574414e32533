package io.experimentetl.audit;

import io.experimentetl.audit.Observation.Kind;
import io.experimentetl.audit.Observation.Weight;
import io.experimentetl.model.Subject;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The results of one table's comparison so far: counts per day, and observations. */
final class TableDays {
  /** Counts of one day; see {@link DayCounts}. */
  static final class Day {
    long source;
    long warehouse;
    long retained;
    long flagged;
  }

  private final AuditedTable table;
  private final Map<Integer, Day> days = new TreeMap<>();
  private final List<Observation> observations = new ArrayList<>();
  private final Set<Long> experimentsWithRetainedRows = new HashSet<>();

  TableDays(AuditedTable table) {
    this.table = table;
  }

  Day day(int day) {
    return days.computeIfAbsent(day, none -> new Day());
  }

  /** An experiment of which PostgreSQL's retention has removed rows. */
  void addExperimentWithRetainedRows(long experimentId) {
    experimentsWithRetainedRows.add(experimentId);
  }

  /** The number of observations. */
  int size() {
    return observations.size();
  }

  void observe(int day, String key, String problem, String evidence, Weight weight, Kind kind) {
    add(day, new Subject(table.subjectKind(), key).toString(), problem, evidence, weight, kind);
  }

  /** An observation of several rows at once. */
  void add(int day, String subject, String problem, String evidence, Weight weight, Kind kind) {
    observations.add(
        new Observation(
            table.sourceTable(),
            day,
            subject,
            problem,
            evidence,
            Observation.NO_OFFSET,
            weight,
            kind));
  }

  /** Completes the problem of an observation. */
  void append(int index, String words) {
    Observation seen = observations.get(index);
    observations.set(index, seen.withProblem(seen.problem() + words));
  }

  RowComparison.Result result() {
    List<DayCounts> counts = new ArrayList<>();
    days.forEach(
        (day, d) ->
            counts.add(new DayCounts(table, day, d.source, d.warehouse, d.retained, d.flagged)));
    return new RowComparison.Result(counts, observations, experimentsWithRetainedRows);
  }
}
