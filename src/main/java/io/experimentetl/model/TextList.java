package io.experimentetl.model;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Texts, each of which may be null, as one text: {@code -} for null, else the number of characters,
 * a colon and the text. Different lists never have the same text.
 */
public final class TextList {
  private static final char NULL = '-';

  private TextList() {}

  /** The text of a list. */
  public static String of(Collection<String> values) {
    StringBuilder text = new StringBuilder();
    values.forEach(value -> append(text, value));
    return text.toString();
  }

  /**
   * Appends one more element.
   *
   * @param value null: NULL
   */
  public static void append(StringBuilder text, String value) {
    if (value == null) {
      text.append(NULL);
    } else {
      text.append(value.length()).append(':').append(value);
    }
  }

  /**
   * The list.
   *
   * @throws IllegalArgumentException the text is not of a list
   */
  public static List<String> parse(String text) {
    List<String> values = new ArrayList<>();
    int next = 0;
    while (next < text.length()) {
      if (text.charAt(next) == NULL) {
        values.add(null);
        next++;
        continue;
      }
      int colon = text.indexOf(':', next);
      if (colon < 0) {
        throw new IllegalArgumentException("A list of texts has no length at " + next + ".");
      }
      int end = colon + 1 + Integer.parseInt(text, next, colon, 10);
      values.add(text.substring(colon + 1, end));
      next = end;
    }
    return values;
  }
}
