package io.experimentetl.config;

import static io.experimentetl.config.ValueType.bool;
import static io.experimentetl.config.ValueType.text;

import io.experimentetl.mapping.Lookup;
import io.experimentetl.mapping.Lookup.Names;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** Reads {@code lookups} of a replicated table. The tables that they name may stand behind it. */
final class LookupConfig {
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  private record Declared(
      Section section,
      int table,
      int index,
      List<String> name,
      List<Names> on,
      List<Names> columns,
      Boolean rewrite) {}

  private final String schema;
  private final SourceMapping tables;
  private final List<Declared> declared = new ArrayList<>();

  LookupConfig(String schema, SourceMapping tables) {
    this.schema = schema;
    this.tables = tables;
  }

  /** Reads those of one table. */
  void read(Section table, int index) {
    if (table.isEmpty("lookups")) {
      return;
    }
    int first = declared.size();
    table.groups(
        "lookups",
        section -> {
          declare(section, index, declared.size() - first);
          return "";
        },
        List.of());
  }

  private void declare(Section section, int table, int index) {
    String given =
        section.required(
            "table", text(), "Name a replicated table of PostgreSQL, or that of the users.");
    List<String> name = given == null ? null : DottedName.parse(given);
    if (given != null && (name == null || name.size() > 2)) {
      section.error(
          "table",
          "\"" + given + "\" is not the name of a table.",
          "Write SCHEMA.TABLE, or TABLE for one in source.schema; put a name with a dot in double quotes.");
    }
    declared.add(
        new Declared(
            section,
            table,
            index,
            name == null || name.size() > 2 ? null : name,
            pairs(section, "on", "Write COLUMN: KEY, the column and the other table's key."),
            pairs(section, "columns", "Write NEW: COLUMN, the new column and the other table's."),
            section.optional("rewrite", bool())));
  }

  private static List<Names> pairs(Section section, String key, String need) {
    List<Names> pairs = new ArrayList<>();
    for (Map.Entry<String, String> pair : section.properties(key).entrySet()) {
      pairs.add(new Names(pair.getKey(), pair.getValue()));
    }
    if (pairs.isEmpty()) {
      section.error(key, "names no column.", need);
    }
    return pairs;
  }

  /** The tables with their lookups. */
  List<ReplicatedTable> complete(List<ReplicatedTable> read) {
    List<ReplicatedTable> complete = new ArrayList<>();
    for (ReplicatedTable table : read) {
      List<Lookup> lookups = new ArrayList<>();
      Set<String> added = new HashSet<>();
      for (Declared one : declared) {
        if (one.table == table.index()) {
          Lookup lookup = complete(one, table, read, added);
          if (lookup != null) {
            lookups.add(lookup);
          }
        }
      }
      complete.add(table.with(lookups));
    }
    return complete;
  }

  private Lookup complete(
      Declared one, ReplicatedTable table, List<ReplicatedTable> read, Set<String> added) {
    if (one.name == null || one.on.isEmpty() || one.columns.isEmpty()) {
      return null;
    }
    checkAdded(one, added);
    String inSchema = one.name.size() == 2 ? one.name.get(0) : schema;
    String name = one.name.get(one.name.size() - 1);
    String path = table.path() + ".lookups[" + one.index + "]";
    for (TableBinding users : tables.of(SourceTable.USERS)) {
      if (users.schema().equals(inSchema) && users.name().equals(name)) {
        checkUsers(one);
        return new Lookup(path, Lookup.USERS, one.on, one.columns, true);
      }
    }
    for (ReplicatedTable other : read) {
      if (other.schema().equals(inSchema) && other.table().equals(name)) {
        return new Lookup(
            path, other.name(), one.on, one.columns, Boolean.TRUE.equals(one.rewrite));
      }
    }
    one.section.error(
        "table",
        "is %s.%s, which is neither a replicated table nor that of the users."
            .formatted(inSchema, name),
        "Add it to replicate, or correct the name.");
    return null;
  }

  private static void checkAdded(Declared one, Set<String> added) {
    for (Names column : one.columns) {
      if (!NAME.matcher(column.own()).matches() || column.own().startsWith("_")) {
        one.section.error(
            "columns." + column.own(),
            "is no plain name.",
            "Name the column in ClickHouse: letters, digits and underscores, a letter first.");
      }
      if (!added.add(column.own())) {
        one.section.error(
            "columns." + column.own(),
            "is a column of another lookup of the table too.",
            "Give each column a name of its own.");
      }
    }
  }

  private static void checkUsers(Declared one) {
    if (one.on.size() != 1 || !one.on.get(0).other().equals(Lookup.USER_ID)) {
      one.section.error(
          "on",
          "does not name the key of the users.",
          "Write COLUMN: user_id, whatever the column is called in PostgreSQL.");
    }
    for (Names column : one.columns) {
      if (!Lookup.OF_USERS.contains(column.other())) {
        one.section.error(
            "columns." + column.own(),
            "is \"" + column.other() + "\", which cannot be looked up of the users.",
            "Use one of " + String.join(", ", Lookup.OF_USERS) + ".");
      }
    }
    if (!Boolean.TRUE.equals(one.rewrite)) {
      one.section.error(
          "rewrite",
          "is not true, so that what is looked up of a user would outlive the user's erasure.",
          "Write rewrite: true.");
    }
  }
}
