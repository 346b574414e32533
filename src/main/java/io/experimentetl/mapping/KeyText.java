package io.experimentetl.mapping;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.stream.Collectors;

/**
 * Several values as one text, such that different values never give the same text: the parts are
 * joined by {@code :}. In a part, {@code \} becomes {@code \\} and {@code :} becomes {@code \:}.
 * The parts {@code User} and {@code 42} are {@code User:42}. In SQL: {@code replace(replace(PART,
 * '\', '\\'), ':', '\:') || ':' || …}.
 */
public final class KeyText {
  private KeyText() {}

  /** The text of these parts, none of which is null. */
  public static String of(List<String> parts) {
    StringJoiner text = new StringJoiner(":");
    parts.forEach(part -> text.add(escaped(part)));
    return text.toString();
  }

  /** The text of parts that are expressions of PostgreSQL's SQL. */
  public static String sql(List<String> parts) {
    return parts.stream()
        .map(part -> "replace(replace(%s, E'\\\\', E'\\\\\\\\'), ':', E'\\\\:')".formatted(part))
        .collect(Collectors.joining(" || ':' || ", "(", ")"));
  }

  /** The parts of a text that {@link #of} made. */
  public static List<String> parts(String text) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == ':') {
        parts.add(part.toString());
        part.setLength(0);
      } else {
        part.append(c == '\\' ? text.charAt(++i) : c);
      }
    }
    parts.add(part.toString());
    return parts;
  }

  private static String escaped(String part) {
    return part.indexOf('\\') < 0 && part.indexOf(':') < 0
        ? part
        : part.replace("\\", "\\\\").replace(":", "\\:");
  }
}
