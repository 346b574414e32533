package io.experimentetl.operations;

import io.experimentetl.mapping.FoundTable;
import io.experimentetl.mapping.FoundTable.Column;
import io.experimentetl.mapping.FoundTable.Kind;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** How much tables and columns of the platform are like ours, by their names and types. */
final class TableLikeness {
  static final List<String> EXPERIMENTS =
      List.of("experiment", "test", "ab test", "split test", "trial", "study");

  static final List<String> VARIANTS =
      List.of("variant", "variation", "arm", "treatment", "bucket", "cell", "group", "option");

  static final List<String> USERS =
      List.of(
          "user",
          "person",
          "customer",
          "member",
          "participant",
          "visitor",
          "player",
          "account",
          "client",
          "profile");

  static final List<String> ASSIGNMENTS =
      List.of("assignment", "enrollment", "enrolment", "allocation", "participation", "membership");

  static final List<String> EXPOSURES =
      List.of("exposure", "impression", "view", "activation", "trigger");

  static final List<String> EVENTS =
      List.of("event", "track", "action", "conversion", "activity", "order", "purchase", "fact");

  static final Set<Kind> TEXTS = Set.of(Kind.TEXT);

  static final Set<Kind> IDS = Set.of(Kind.INTEGER, Kind.NUMBER, Kind.TEXT, Kind.UUID);

  static final Set<Kind> NUMBERS = Set.of(Kind.INTEGER, Kind.NUMBER);

  static final Set<Kind> BOOLS = Set.of(Kind.BOOL);

  static final Set<Kind> JSON = Set.of(Kind.JSON);

  static final Set<Kind> TIMES = Set.of(Kind.TIME, Kind.INTEGER, Kind.NUMBER);

  /** From this on a column is taken for the one that is looked for. */
  static final double LIKELY = 0.6;

  private TableLikeness() {}

  static boolean isNamed(String table, List<String> words) {
    return NameLikeness.of(String.join("_", singulars(table)), Set.of(), words) > LIKELY;
  }

  static Optional<Column> time(FoundTable table) {
    return best(
            table,
            TIMES,
            Set.of(),
            "timestamp",
            "ts",
            "occurred at",
            "happened at",
            "seen at",
            "seen",
            "event time",
            "time",
            "at",
            "created at",
            "date")
        .or(
            () ->
                table.columns().stream()
                    .filter(column -> column.kind() == Kind.TIME && column.notNull())
                    .findFirst());
  }

  static double name(FoundTable table, List<String> words) {
    return NameLikeness.of(String.join("_", singulars(table.name())), Set.of(), words);
  }

  static List<String> singulars(String table) {
    return NameLikeness.parts(table).stream().map(NameLikeness::singular).toList();
  }

  static String singular(FoundTable table) {
    return String.join("_", singulars(table.name()));
  }

  static double like(FoundTable table, Set<Kind> kinds, String... words) {
    return table.columns().stream()
        .filter(column -> kinds.contains(column.kind()))
        .mapToDouble(column -> likeness(table, column, words))
        .max()
        .orElse(0);
  }

  static double likeness(FoundTable table, Column column, String... words) {
    return NameLikeness.of(column.name(), new HashSet<>(singulars(table.name())), List.of(words));
  }

  /** The column that is most like the words; empty: none is. */
  static Optional<Column> best(
      FoundTable table, Set<Kind> kinds, Set<String> used, String... words) {
    return table.columns().stream()
        .filter(column -> kinds.contains(column.kind()) && !used.contains(column.name()))
        .filter(column -> likeness(table, column, words) >= LIKELY)
        .max(Comparator.comparingDouble(column -> likeness(table, column, words)));
  }

  /** The columns of the table's key, without its time where that is not all of it. */
  static List<Column> idOf(FoundTable table) {
    List<Column> key =
        table.keys().stream()
            .findFirst()
            .map(names -> names.stream().map(name -> table.column(name).orElseThrow()).toList())
            .orElse(List.of());
    List<Column> withoutTime = key.stream().filter(column -> column.kind() != Kind.TIME).toList();
    return withoutTime.isEmpty() ? key : withoutTime;
  }
}
