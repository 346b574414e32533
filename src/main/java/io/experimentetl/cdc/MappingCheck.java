package io.experimentetl.cdc;

import io.experimentetl.config.NearestName;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.FoundTable.Column;
import io.experimentetl.mapping.FoundTable.Kind;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * Compares the source mapping with the tables that PostgreSQL has. Every problem names the key of
 * {@code source.tables}, the source's own names, and the remedy.
 */
public final class MappingCheck {
  private static final String KEYS = "source.tables.";

  /** What each column type can be read from, besides a text. */
  private static final Map<ColumnType, Set<Kind>> READABLE =
      Map.of(
          ColumnType.BIGINT, Set.of(Kind.INTEGER, Kind.NUMBER),
          ColumnType.INT, Set.of(Kind.INTEGER, Kind.NUMBER),
          ColumnType.NUMBER, Set.of(Kind.INTEGER, Kind.NUMBER),
          ColumnType.BOOL, Set.of(Kind.BOOL),
          ColumnType.TIMESTAMP, Set.of(Kind.TIME),
          ColumnType.JSON, Set.of(Kind.JSON));

  private final List<FoundTable> tables;
  private final String place;
  private final Predicate<SourceColumn<?>> isNeeded;
  private final List<String> problems = new ArrayList<>();

  private MappingCheck(List<FoundTable> tables, String place, Predicate<SourceColumn<?>> isNeeded) {
    this.tables = tables;
    this.place = place;
    this.isNeeded = isNeeded;
  }

  /**
   * All problems; empty: every row can be read.
   *
   * @param bindings those that the job reads
   * @param tables what the source has
   * @param place the source, as a message names it
   * @param isNeeded whether the table must have a column of ours that the mapping does not name
   */
  public static List<String> problems(
      Collection<TableBinding> bindings,
      List<FoundTable> tables,
      String place,
      Predicate<SourceColumn<?>> isNeeded) {
    MappingCheck check = new MappingCheck(tables, place, isNeeded);
    bindings.stream()
        .filter(binding -> binding.table() != SourceTable.REPLICATED)
        .forEach(check::check);
    return List.copyOf(check.problems);
  }

  /** The table that a binding reads; empty: the source does not have it. */
  public static Optional<FoundTable> found(TableBinding binding, List<FoundTable> tables) {
    return tables.stream().filter(table -> table.is(binding.schema(), binding.name())).findFirst();
  }

  private void check(TableBinding binding) {
    Optional<FoundTable> found = found(binding, tables);
    if (found.isEmpty()) {
      problems.add(missingTable(binding));
      return;
    }
    FoundTable table = found.get();
    if (binding.elements() != null) {
      checkList(binding, table);
      return;
    }
    if (binding.mapped()) {
      checkMappedColumns(binding, table);
    } else {
      checkDefaultColumns(binding, table);
    }
    checkKey(binding, table);
  }

  /** The table is that of experiments, whose entry is checked. */
  private void checkList(TableBinding binding, FoundTable table) {
    SourceColumn<?> list = binding.table().columns().named("config");
    String name = binding.column(list).origin().columns().iterator().next();
    Optional<Column> column = table.column(name);
    if (column.isEmpty()) {
      problems.add(
          "The table %s in %s has no column %s, which %s%s.column names. %s"
              .formatted(
                  binding.qualifiedName(),
                  place,
                  name,
                  KEYS,
                  binding.entry(),
                  NearestName.question(name, table.columnNames()))
              .strip());
    } else if (column.get().kind() != Kind.JSON) {
      problems.add(
          "%s%s.column reads %s of %s in %s, which has the type %s: json or jsonb is needed."
              .formatted(
                  KEYS,
                  binding.entry(),
                  name,
                  binding.qualifiedName(),
                  place,
                  column.get().type()));
    }
  }

  private String missingTable(TableBinding binding) {
    String remedy =
        binding.table() == SourceTable.ETL_HEARTBEAT
            ? "apply sql/postgres/002_etl.sql, or what the verb map prints."
            : binding.mapped()
                ? "correct %s%s.table. %s"
                    .formatted(
                        KEYS,
                        binding.entry(),
                        NearestName.question(
                            binding.qualifiedName(),
                            tables.stream()
                                .map(table -> table.schema() + "." + table.name())
                                .toList()))
                    .strip()
                : "check source.schema, name the platform's own table in %s%s, or apply sql/postgres/001_platform.sql."
                    .formatted(KEYS, binding.entry());
    return "The table %s is missing in %s: %s".formatted(binding.qualifiedName(), place, remedy);
  }

  /** The table has all columns under the names that they have here. */
  private void checkDefaultColumns(TableBinding binding, FoundTable table) {
    List<String> missing =
        binding.table().columns().all().stream()
            .filter(column -> binding.column(column) != null)
            .filter(isNeeded)
            .map(SourceColumn::name)
            .filter(name -> table.column(name).isEmpty())
            .toList();
    if (!missing.isEmpty()) {
      problems.add(
          "The table %s in %s does not have the columns %s: add them as in sql/postgres/001_platform.sql, or map it in %s%s."
              .formatted(
                  binding.qualifiedName(),
                  place,
                  String.join(", ", missing),
                  KEYS,
                  binding.entry()));
    }
  }

  private void checkMappedColumns(TableBinding binding, FoundTable table) {
    Map<String, String> named = new LinkedHashMap<>();
    for (SourceColumn<?> column : binding.table().columns().all()) {
      ColumnBinding bound = binding.column(column);
      if (bound == null || derived(column)) {
        continue;
      }
      List<String> missing =
          bound.origin().columns().stream().filter(name -> table.column(name).isEmpty()).toList();
      if (missing.isEmpty()) {
        checkType(binding, table, column, bound);
      } else if (isUnnamed(bound, column)) {
        checkUnnamed(binding, table, column, bound);
      } else {
        missing.forEach(name -> named.putIfAbsent(name, keyOf(binding, column, bound)));
      }
    }
    binding.where().columns().stream()
        .filter(name -> table.column(name).isEmpty())
        .forEach(name -> named.putIfAbsent(name, binding.entry() + ".where"));
    if (binding.erasedWhen() != null) {
      binding.erasedWhen().columns().stream()
          .filter(name -> table.column(name).isEmpty())
          .forEach(name -> named.putIfAbsent(name, binding.entry() + ".erased_when"));
    }
    named.forEach(
        (name, key) ->
            problems.add(
                "The table %s in %s has no column %s, which %s%s names: it has %s. %s"
                    .formatted(
                        binding.qualifiedName(),
                        place,
                        name,
                        KEYS,
                        key,
                        String.join(", ", table.columnNames()),
                        NearestName.question(name, table.columnNames()))
                    .strip()));
  }

  /** It is bound with the id, whose problems are reported. */
  private static boolean derived(SourceColumn<?> column) {
    return column.name().equals("source_id");
  }

  /** A required column that the configuration does not name is looked for under its name here. */
  private static boolean isUnnamed(ColumnBinding bound, SourceColumn<?> column) {
    return bound.origin().columns().equals(Set.of(column.name()));
  }

  private void checkUnnamed(
      TableBinding binding, FoundTable table, SourceColumn<?> column, ColumnBinding bound) {
    boolean stoodFor =
        bound.absent() != null
            && bound.absent().columns().stream().allMatch(name -> table.column(name).isPresent());
    // What stands for it is reported itself if it is missing.
    if (!stoodFor && bound.absent() == null) {
      problems.add(
          "The table %s in %s has no column %s: name one of %s in %s%s.columns.%s. %s"
              .formatted(
                  binding.qualifiedName(),
                  place,
                  column.name(),
                  String.join(", ", table.columnNames()),
                  KEYS,
                  binding.entry(),
                  column.name(),
                  NearestName.question(column.name(), table.columnNames()))
              .strip());
    }
  }

  private static String keyOf(TableBinding binding, SourceColumn<?> column, ColumnBinding bound) {
    String key =
        bound.origin() instanceof Origin.JsonObject
            ? "properties"
            : bound.origin() instanceof Origin.Matches ? "control" : "columns." + column.name();
    return binding.entry() + "." + key;
  }

  private void checkType(
      TableBinding binding, FoundTable table, SourceColumn<?> column, ColumnBinding bound) {
    Origin origin = bound.origin();
    for (String json : origin.jsonColumns()) {
      Column holder = table.column(json).orElseThrow();
      if (holder.kind() != Kind.JSON && holder.kind() != Kind.TEXT) {
        problems.add(
            typeProblem(binding, column, bound, holder, "a path leads into json or jsonb only"));
      }
    }
    if (!(origin instanceof Origin.Column direct)) {
      return;
    }
    Column holder = table.column(direct.name()).orElseThrow();
    boolean isNumber = holder.kind() == Kind.INTEGER || holder.kind() == Kind.NUMBER;
    if (column.type() == ColumnType.TIMESTAMP && bound.unit() == null && isNumber) {
      problems.add(
          typeProblem(
              binding,
              column,
              bound,
              holder,
              "say what it counts: {column: %s, unit: s}, or ms, or us".formatted(direct.name())));
    } else if (column.type() == ColumnType.TIMESTAMP
        && bound.unit() != null
        && holder.kind() == Kind.TIME) {
      problems.add(typeProblem(binding, column, bound, holder, "remove unit"));
    } else if (READABLE.containsKey(column.type())
        && bound.values().isEmpty()
        && holder.kind() != Kind.TEXT
        && !(bound.unit() != null && isNumber)
        && !READABLE.get(column.type()).contains(holder.kind())) {
      problems.add(
          typeProblem(
              binding, column, bound, holder, "%s is needed".formatted(column.type().inWords())));
    }
  }

  private String typeProblem(
      TableBinding binding,
      SourceColumn<?> column,
      ColumnBinding bound,
      Column holder,
      String remedy) {
    return "%s%s reads %s of %s in %s, which has the type %s: %s."
        .formatted(
            KEYS,
            keyOf(binding, column, bound),
            holder.name(),
            binding.qualifiedName(),
            place,
            holder.type(),
            remedy);
  }

  /**
   * Updates and deletes find a row by its key, so the columns that identify a row here must be a
   * key there.
   */
  private void checkKey(TableBinding binding, FoundTable table) {
    if (binding.table() == SourceTable.ETL_HEARTBEAT) {
      return;
    }
    if (table.keys().isEmpty()) {
      problems.add(
          "The table %s in %s has no key, so its updates and deletes cannot be told apart: ALTER TABLE %s ADD PRIMARY KEY (…), or a unique index over columns that are NOT NULL."
              .formatted(binding.qualifiedName(), place, binding.qualifiedName()));
      return;
    }
    if (binding.holdsRequests()) {
      return;
    }
    Set<String> identity = new TreeSet<>();
    binding.table().columns().all().stream()
        .filter(SourceColumn::isKey)
        .map(binding::column)
        .filter(Objects::nonNull)
        .forEach(column -> identity.addAll(column.origin().columns()));
    boolean allThere = identity.stream().allMatch(name -> table.column(name).isPresent());
    if (binding.mapped() && allThere && !table.isIdentifiedBy(identity)) {
      problems.add(
          "%s%s identifies a row of %s in %s by %s, which is no key of the table: map id to the columns of a key (%s)."
              .formatted(
                  KEYS,
                  binding.entry(),
                  binding.qualifiedName(),
                  place,
                  String.join(", ", identity),
                  String.join(
                      "; ", table.keys().stream().map(key -> String.join(", ", key)).toList())));
    }
  }
}
