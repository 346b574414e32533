package io.experimentetl.mapping;

import java.io.Serializable;
import java.util.List;

/**
 * Daily counts, sums and distinct counts of a replicated table: a view of ClickHouse over its rows.
 *
 * @param path its place in the configuration, as messages name it
 * @param name the view in ClickHouse
 * @param day the column of days or times
 * @param zone of the days; an IANA zone
 * @param by the columns of the groups, also looked-up ones
 * @param sums the columns that are added up
 * @param distinct the columns whose distinct values are counted
 */
public record Rollup(
    String path,
    String name,
    String day,
    String zone,
    List<String> by,
    List<String> sums,
    List<String> distinct)
    implements Serializable {
  public Rollup {
    by = List.copyOf(by);
    sums = List.copyOf(sums);
    distinct = List.copyOf(distinct);
  }
}
