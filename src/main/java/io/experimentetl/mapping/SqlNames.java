package io.experimentetl.mapping;

import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Names and texts in PostgreSQL's SQL. */
public final class SqlNames {
  private static final Pattern PLAIN = Pattern.compile("[a-z_][a-z0-9_]*");

  /** The names of our tables' columns that PostgreSQL reads as something else without quotes. */
  private static final Set<String> KEYWORDS =
      Set.of("user", "order", "group", "table", "select", "where", "from", "end", "all", "default");

  private SqlNames() {}

  /** A name that stays as it is in any statement. */
  public static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }

  /** A name for people to read: without quotes where PostgreSQL needs none. */
  public static String readable(String name) {
    return PLAIN.matcher(name).matches() && !KEYWORDS.contains(name) ? name : quoted(name);
  }

  /** A text. A backslash means itself, whatever {@code standard_conforming_strings} says. */
  public static String literal(String text) {
    String quotes = "'" + text.replace("'", "''") + "'";
    return text.indexOf('\\') < 0 ? quotes : " E" + quotes.replace("\\", "\\\\");
  }

  /** The text of an array of texts. */
  static String array(List<String> elements) {
    return elements.stream()
        .map(element -> '"' + element.replace("\\", "\\\\").replace("\"", "\\\"") + '"')
        .collect(Collectors.joining(",", "{", "}"));
  }
}
