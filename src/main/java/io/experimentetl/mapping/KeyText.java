package io.experimentetl.mapping;

import java.util.List;
import java.util.StringJoiner;

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

  private static String escaped(String part) {
    return part.indexOf('\\') < 0 && part.indexOf(':') < 0
        ? part
        : part.replace("\\", "\\\\").replace(":", "\\:");
  }
}
