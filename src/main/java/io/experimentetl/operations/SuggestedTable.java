package io.experimentetl.operations;

import io.experimentetl.mapping.FoundTable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An entry of {@code source.tables} as lines of YAML. */
final class SuggestedTable {
  /** What YAML would read as something else than a text. */
  private static final Set<String> RESERVED =
      Set.of("y", "n", "yes", "no", "on", "off", "true", "false", "null");

  private final String entry;
  private final FoundTable table;
  private final Map<String, String> columns = new LinkedHashMap<>();
  private final List<String> more = new ArrayList<>();

  SuggestedTable(String entry, FoundTable table) {
    this.entry = entry;
    this.table = table;
  }

  FoundTable table() {
    return table;
  }

  /** Binds a column of ours to one of the source. */
  void bind(String ours, FoundTable.Column column) {
    bind(ours, name(column.name()), column.type());
  }

  /**
   * Binds a column of ours.
   *
   * @param value as YAML
   * @param comment one line
   */
  void bind(String ours, String value, String comment) {
    columns.put(ours, value + "  # " + comment);
  }

  boolean binds(String ours) {
    return columns.containsKey(ours);
  }

  /** Adds a key beside the columns. */
  void add(String line) {
    more.add(line);
  }

  List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add("    " + entry + ":");
    lines.add("      table: " + scalar(part(table.schema()) + "." + part(table.name())));
    if (!columns.isEmpty()) {
      lines.add("      columns:");
      columns.forEach((ours, value) -> lines.add("        " + ours + ": " + value));
    }
    more.forEach(line -> lines.add("      " + line));
    return lines;
  }

  /** A column's name as YAML. */
  static String name(String column) {
    return scalar(part(column));
  }

  /** A name as the part of a dotted one: in double quotes if it has a dot itself. */
  private static String part(String name) {
    return name.indexOf('.') < 0 && name.indexOf('"') < 0
        ? name
        : '"' + name.replace("\"", "\"\"") + '"';
  }

  /** A text as YAML. */
  static String scalar(String text) {
    return text.matches("[A-Za-z_][A-Za-z0-9_.]*")
            && !RESERVED.contains(text.toLowerCase(java.util.Locale.ROOT))
        ? text
        : "'" + text.replace("'", "''") + "'";
  }
}
