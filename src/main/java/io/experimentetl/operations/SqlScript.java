package io.experimentetl.operations;

import java.util.ArrayList;
import java.util.List;

/**
 * Splits a file of SQL into its statements, as psql and clickhouse-client do: at semicolons outside
 * of text.
 */
public final class SqlScript {
  /**
   * One statement.
   *
   * @param line the line of the file in which it begins, from 1
   */
  public record Statement(int line, String text) {}

  private final String text;
  private int position;

  private SqlScript(String text) {
    this.text = text;
  }

  /** The statements with the comments before them, without empty ones. */
  public static List<Statement> statements(String text) {
    return new SqlScript(text).split();
  }

  private List<Statement> split() {
    List<Statement> statements = new ArrayList<>();
    int begin = 0;
    int firstWord = -1;
    while (position < text.length()) {
      char c = text.charAt(position);
      if (c == ';') {
        add(statements, begin, firstWord, position);
        position++;
        begin = position;
        firstWord = -1;
        continue;
      }
      if (text.startsWith("--", position)) {
        skipTo("\n", position);
        continue;
      }
      if (text.startsWith("/*", position)) {
        skipTo("*/", position + 2);
        continue;
      }
      if (firstWord < 0 && !Character.isWhitespace(c)) {
        firstWord = position;
      }
      if (c == '\'' || c == '"' || c == '`') {
        skipQuoted(c);
      } else if (c == '$' && dollarTag() != null) {
        String tag = dollarTag();
        skipTo(tag, position + tag.length());
      } else {
        position++;
      }
    }
    add(statements, begin, firstWord, text.length());
    return statements;
  }

  private void add(List<Statement> statements, int begin, int firstWord, int end) {
    if (firstWord >= 0) {
      int line = 1 + (int) text.substring(0, firstWord).chars().filter(c -> c == '\n').count();
      statements.add(new Statement(line, text.substring(begin, end).strip()));
    }
  }

  private void skipTo(String end, int from) {
    int found = text.indexOf(end, from);
    position = found < 0 ? text.length() : found + end.length();
  }

  /** A doubled quote ends one text and begins the next, which has the same effect. */
  private void skipQuoted(char quote) {
    position++;
    while (position < text.length() && text.charAt(position) != quote) {
      // In PostgreSQL a backslash is a plain character; our files have none before a quote.
      position += text.charAt(position) == '\\' ? 2 : 1;
    }
    position = Math.min(text.length(), position + 1);
  }

  /** The opening {@code $tag$} at the position, or null. */
  private String dollarTag() {
    if (position > 0 && Character.isJavaIdentifierPart(text.charAt(position - 1))) {
      return null;
    }
    int end = position + 1;
    while (end < text.length()
        && (Character.isLetterOrDigit(text.charAt(end)) || text.charAt(end) == '_')) {
      end++;
    }
    boolean digitFirst = end > position + 1 && Character.isDigit(text.charAt(position + 1));
    return end < text.length() && text.charAt(end) == '$' && !digitFirst
        ? text.substring(position, end + 1)
        : null;
  }
}
