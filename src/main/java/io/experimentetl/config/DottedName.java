package io.experimentetl.config;

import java.util.ArrayList;
import java.util.List;

/**
 * A name of several parts, separated by dots, such as {@code ab.tests}. A part in double quotes may
 * hold a dot; a double quote in it is doubled, as in SQL. Upper and lower case are kept.
 */
final class DottedName {
  private DottedName() {}

  /** The parts; null: the text is no name, because a part is empty or a quote is not closed. */
  static List<String> parse(String text) {
    List<String> parts = new ArrayList<>();
    int at = 0;
    while (true) {
      StringBuilder part = new StringBuilder();
      if (at < text.length() && text.charAt(at) == '"') {
        at = quoted(text, at + 1, part);
      } else {
        while (at >= 0 && at < text.length() && text.charAt(at) != '.') {
          if (text.charAt(at) == '"') {
            return null;
          }
          part.append(text.charAt(at++));
        }
      }
      if (at < 0 || part.isEmpty()) {
        return null;
      }
      parts.add(part.toString());
      if (at == text.length()) {
        return parts;
      }
      if (text.charAt(at) != '.') {
        return null;
      }
      at++;
    }
  }

  /** Appends a quoted part; the position behind its last quote, or -1. */
  private static int quoted(String text, int from, StringBuilder part) {
    for (int at = from; at < text.length(); at++) {
      if (text.charAt(at) != '"') {
        part.append(text.charAt(at));
      } else if (at + 1 < text.length() && text.charAt(at + 1) == '"') {
        part.append('"');
        at++;
      } else {
        return at + 1;
      }
    }
    return -1;
  }
}
