package io.experimentetl.clickhouse;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Reads rows back. */
public final class ClickHouseReader implements AutoCloseable {
  private static final Duration TIMEOUT = Duration.ofMinutes(5);

  private final ClickHouseHttp http;

  /**
   * Connects to nothing yet.
   *
   * @throws IOException if the password isn't where it should be
   */
  public ClickHouseReader(ClickHouseConnection connection) throws IOException {
    this.http = new ClickHouseHttp(connection);
  }

  /**
   * The rows of a query.
   *
   * @param parameters what stands for <code>{name:Type}</code> in it
   * @return each row's values as text, null for NULL
   * @throws IOException if the server refuses, or gives no complete answer within five minutes
   */
  public List<String[]> rows(String sql, Map<String, String> parameters)
      throws IOException, InterruptedException {
    return rows(sql, parameters, Map.of());
  }

  /**
   * The same.
   *
   * @param lists what stands for <code>{name:Array(String)}</code> in it
   */
  public List<String[]> rows(
      String sql, Map<String, String> parameters, Map<String, Collection<String>> lists)
      throws IOException, InterruptedException {
    Map<String, String> settings = new HashMap<>();
    lists.forEach((name, texts) -> settings.put("param_" + name, array(texts)));
    parameters.forEach((name, value) -> settings.put("param_" + name, escaped(value)));
    List<String[]> rows = new ArrayList<>();
    for (String[] line : http.select(sql, settings, TIMEOUT)) {
      String[] row = new String[line.length];
      for (int i = 0; i < line.length; i++) {
        row[i] = unescaped(line[i]);
      }
      rows.add(row);
    }
    return rows;
  }

  /** A parameter is read as a value of the TabSeparated format. */
  private static String escaped(String value) {
    return value
        .replace("\\", "\\\\")
        .replace("\t", "\\t")
        .replace("\n", "\\n")
        .replace("\r", "\\r");
  }

  /** An array's elements are quoted, and nothing of it is escaped once more. */
  private static String array(Collection<String> texts) {
    return texts.stream()
        .map(text -> "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'")
        .collect(Collectors.joining(",", "[", "]"));
  }

  /** A value of the TabSeparated format: https://clickhouse.com/docs/interfaces/formats. */
  static String unescaped(String value) {
    if (value.indexOf('\\') < 0) {
      return value;
    }
    if (value.equals("\\N")) {
      return null;
    }
    StringBuilder text = new StringBuilder(value.length());
    boolean escape = false;
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if (escape) {
        text.append(
            switch (c) {
              case 'b' -> '\b';
              case 'f' -> '\f';
              case 'n' -> '\n';
              case 'r' -> '\r';
              case 't' -> '\t';
              case '0' -> '\0';
              default -> c;
            });
        escape = false;
      } else if (c == '\\') {
        escape = true;
      } else {
        text.append(c);
      }
    }
    return text.toString();
  }

  @Override
  public void close() {
    http.close();
  }
}
