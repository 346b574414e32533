package io.experimentetl.audit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The figures recomputed from PostgreSQL's rows. */
record SourceFigures(
    Map<StatisticsCell, StatisticsFigures> statistics,
    Map<HealthComparison.Cell, HealthComparison.Figures> health) {

  /** Recomputes them: one statement, which reads the events once. */
  static SourceFigures read(AuditSettings settings, SourceSnapshot source, StatisticsSql sql) {
    Map<StatisticsCell, StatisticsFigures> cells = new HashMap<>();
    Map<Long, List<HealthComparison.Added>> added = new TreeMap<>();
    source.recompute(
        settings,
        sql.postgres(),
        row -> {
          String metric = row.getString(3);
          if (metric == null) {
            added
                .computeIfAbsent(row.getLong(1), none -> new ArrayList<>())
                .add(HealthComparison.added(row, 4));
            return;
          }
          List<String> figures = new ArrayList<>();
          for (int i = 0; i < StatisticsFigures.NAMES.size(); i++) {
            figures.add(row.getString(5 + i));
          }
          cells.put(
              new StatisticsCell(row.getLong(1), metric, row.getLong(2), row.getInt(4)),
              StatisticsFigures.ofUnscaled(figures));
        });
    return new SourceFigures(cells, HealthComparison.cumulated(added));
  }
}
