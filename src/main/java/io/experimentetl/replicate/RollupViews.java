package io.experimentetl.replicate;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.Rollup;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The rollups of a replicated table: views over its rows. */
final class RollupViews {
  private static final Set<String> INTEGERS = Set.of("smallint", "integer", "bigint");

  private RollupViews() {}

  /**
   * What is wrong with the table's rollups.
   *
   * @param lookedUp the columns that its lookups add
   */
  static List<String> problems(
      ReplicatedTable table, SourceShape shape, List<SourceShape.Column> lookedUp) {
    List<String> problems = new ArrayList<>();
    for (Rollup rollup : table.rollups()) {
      SourceShape.Column day = column(rollup.day(), shape, List.of());
      if (day == null || day.nullable() || !isTime(day)) {
        problems.add(
            "%s.day: %s is no column of days or times of %s that is NOT NULL: name one."
                .formatted(rollup.path(), rollup.day(), table.qualifiedName()));
      }
      Stream.of(rollup.by(), rollup.sums(), rollup.distinct())
          .flatMap(List::stream)
          .distinct()
          .filter(name -> column(name, shape, lookedUp) == null)
          .forEach(
              name ->
                  problems.add(
                      "%s: %s has no column %s, and no lookup adds it: correct the name."
                          .formatted(rollup.path(), table.qualifiedName(), name)));
      for (String sum : rollup.sums()) {
        SourceShape.Column column = column(sum, shape, lookedUp);
        if (column != null
            && !INTEGERS.contains(column.type())
            && !ReplicatedDdl.type(column).contains("Decimal(")) {
          problems.add(
              "%s.sums: %s is %s, whose sum is not exact: sum a numeric(p,s) or an integer."
                  .formatted(rollup.path(), sum, column.type()));
        }
      }
    }
    return problems;
  }

  private static boolean isTime(SourceShape.Column column) {
    return column.type().equals("date") || column.type().startsWith("timestamp");
  }

  private static SourceShape.Column column(
      String name, SourceShape shape, List<SourceShape.Column> lookedUp) {
    return Stream.concat(shape.columns().stream(), lookedUp.stream())
        .filter(column -> column.name().equals(name))
        .findFirst()
        .orElse(null);
  }

  /** The statement that makes the view. */
  static String create(
      ReplicatedTable table, Rollup rollup, SourceShape shape, List<SourceShape.Column> lookedUp) {
    List<String> selected = new ArrayList<>();
    selected.add(day(rollup, shape) + " AS `day`");
    rollup.by().forEach(by -> selected.add(ClickHouseReader.quoted(by)));
    selected.add("count() AS `rows`");
    for (String sum : rollup.sums()) {
      SourceShape.Column column = column(sum, shape, lookedUp);
      String name = ClickHouseReader.quoted(sum);
      String value = INTEGERS.contains(column.type()) ? "toInt128(" + name + ")" : name;
      selected.add(
          "ifNull(sum(%s), 0) AS %s".formatted(value, ClickHouseReader.quoted("sum_" + sum)));
    }
    for (String distinct : rollup.distinct()) {
      selected.add(
          "uniqExact(%s) AS %s"
              .formatted(
                  ClickHouseReader.quoted(distinct),
                  ClickHouseReader.quoted("distinct_" + distinct)));
    }
    String groups =
        Stream.concat(Stream.of("`day`"), rollup.by().stream().map(ClickHouseReader::quoted))
            .collect(Collectors.joining(", "));
    return "CREATE OR REPLACE VIEW %s /*cluster:ON CLUSTER '{cluster}'*/ AS\nSELECT %s\nFROM %s FINAL\nGROUP BY %s;\n"
        .formatted(
            ClickHouseReader.quoted(rollup.name()),
            String.join(", ", selected),
            ClickHouseReader.quoted(table.name()),
            groups);
  }

  /** Only a timestamptz is a moment, whose day depends on the zone. */
  private static String day(Rollup rollup, SourceShape shape) {
    String name = ClickHouseReader.quoted(rollup.day());
    String type = column(rollup.day(), shape, List.of()).type();
    if (type.equals("date")) {
      return name;
    }
    return type.contains("without")
        ? "toDate32(" + name + ")"
        : "toDate32(toTimeZone(%s, %s))".formatted(name, ClickHouseReader.literal(rollup.zone()));
  }
}
