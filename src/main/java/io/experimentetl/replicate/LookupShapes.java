package io.experimentetl.replicate;

import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.Lookup.Names;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SqlNames;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** The columns that lookups add to a table, as PostgreSQL's catalogue describes them. */
final class LookupShapes {
  private static final Set<String> INTEGERS = Set.of("smallint", "integer", "bigint");

  private static final Map<String, SourceShape.Column> OF_USERS =
      Map.of(
          "email",
          new SourceShape.Column("email", "text", false, true),
          "name",
          new SourceShape.Column("name", "text", false, true),
          "is_active",
          new SourceShape.Column("is_active", "boolean", false, true));

  private final List<ReplicatedTable> tables;
  private final Connection connection;
  private final String place;

  /**
   * Reads nothing yet.
   *
   * @param tables all that are replicated
   * @param place of the source, for messages
   */
  LookupShapes(List<ReplicatedTable> tables, Connection connection, String place) {
    this.tables = tables;
    this.connection = connection;
    this.place = place;
  }

  private Optional<SourceShape> shapeOf(Lookup lookup) throws SQLException {
    for (ReplicatedTable table : tables) {
      if (table.name().equals(lookup.target())) {
        return Optional.of(SourceShape.read(connection, table));
      }
    }
    return Optional.empty();
  }

  /** The columns that the table's lookups add; each may be NULL. */
  List<SourceShape.Column> columns(ReplicatedTable table) throws SQLException {
    List<SourceShape.Column> added = new ArrayList<>();
    for (Lookup lookup : table.lookups()) {
      Optional<SourceShape> other = shapeOf(lookup);
      for (Names names : lookup.columns()) {
        Optional<SourceShape.Column> column =
            other.isPresent()
                ? other.get().column(names.other())
                : Optional.ofNullable(OF_USERS.get(names.other()));
        column.ifPresent(
            found ->
                added.add(new SourceShape.Column(names.own(), found.type(), found.isEnum(), true)));
      }
    }
    return added;
  }

  /** What is wrong with the table's lookups at the source. */
  List<String> problems(ReplicatedTable table, SourceShape shape) throws SQLException {
    List<String> problems = new ArrayList<>();
    for (Lookup lookup : table.lookups()) {
      for (Names names : lookup.columns()) {
        if (shape.column(names.own()).isPresent()) {
          problems.add(
              "%s.columns.%s: the table %s in %s has a column of this name: give the looked-up column another one."
                  .formatted(lookup.path(), names.own(), table.qualifiedName(), place));
        }
      }
      for (String own : lookup.reference()) {
        if (shape.column(own).isEmpty()) {
          problems.add(
              "%s.on.%s: the table %s in %s has no column %s: name one of %s."
                  .formatted(lookup.path(), own, table.qualifiedName(), place, own, names(shape)));
        }
      }
      Optional<SourceShape> other = shapeOf(lookup);
      if (other.isPresent()) {
        checkOther(lookup, shape, other.get(), problems);
      } else {
        lookup.reference().forEach(own -> checkType(lookup, own, shape.column(own), problems));
      }
    }
    return problems;
  }

  private static String names(SourceShape shape) {
    return shape.columns().stream().map(SourceShape.Column::name).collect(Collectors.joining(", "));
  }

  private void checkOther(
      Lookup lookup, SourceShape shape, SourceShape other, List<String> problems) {
    if (!new HashSet<>(lookup.key()).equals(Set.copyOf(other.primaryKey()))) {
      problems.add(
          "%s.on: names (%s) of the table %s in %s, whose primary key is (%s): name the whole primary key and no other column."
              .formatted(
                  lookup.path(),
                  String.join(", ", lookup.key()),
                  qualified(lookup),
                  place,
                  String.join(", ", other.primaryKey())));
      return;
    }
    for (Names names : lookup.columns()) {
      if (other.column(names.other()).isEmpty()) {
        problems.add(
            "%s.columns.%s: the table %s in %s has no column %s: name one of %s."
                .formatted(
                    lookup.path(),
                    names.own(),
                    qualified(lookup),
                    place,
                    names.other(),
                    names(other)));
      }
    }
    for (Names names : lookup.on()) {
      Optional<SourceShape.Column> own = shape.column(names.own());
      Optional<SourceShape.Column> key = other.column(names.other());
      checkType(lookup, names.own(), own, problems);
      if (own.isPresent()
          && key.isPresent()
          && !family(own.get()).equals(family(key.get()))
          && !family(own.get()).isEmpty()) {
        problems.add(
            "%s.on.%s: is %s, and %s of %s is %s: the texts of both must be equal, so use columns of one type."
                .formatted(
                    lookup.path(),
                    names.own(),
                    own.get().type(),
                    names.other(),
                    qualified(lookup),
                    key.get().type()));
      }
    }
  }

  private String qualified(Lookup lookup) {
    return tables.stream()
        .filter(table -> table.name().equals(lookup.target()))
        .map(table -> SqlNames.readable(table.schema()) + "." + SqlNames.readable(table.table()))
        .findFirst()
        .orElse(lookup.target());
  }

  private static void checkType(
      Lookup lookup, String name, Optional<SourceShape.Column> column, List<String> problems) {
    column
        .filter(own -> family(own).isEmpty())
        .ifPresent(
            own ->
                problems.add(
                    "%s.on.%s: is %s, by which no row is looked up: use an integer, a uuid or a text."
                        .formatted(lookup.path(), name, own.type())));
  }

  /** Types whose equal values have equal texts; empty: none. */
  private static String family(SourceShape.Column column) {
    if (INTEGERS.contains(column.type())) {
      return "integer";
    }
    return column.type().equals("uuid")
        ? "uuid"
        : column.type().equals("text") || column.type().startsWith("character varying")
            ? "text"
            : "";
  }
}
