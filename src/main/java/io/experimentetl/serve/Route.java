package io.experimentetl.serve;

import com.fasterxml.jackson.databind.JsonNode;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * One operation of the API.
 *
 * @param path with variables, such as <code>/api/v1/experiments/{key}/results</code>
 * @param role the least that may use it
 * @param summary one sentence
 * @param fields the parameters: of the query for a GET, else of the body or the query
 * @param answer the schema of the answer's body; null: it is a text
 * @param handler makes the answer
 */
record Route(
    String method,
    String path,
    Role role,
    String summary,
    List<Field> fields,
    JsonNode answer,
    Handler handler) {

  /** Makes an answer: a value that Jackson writes as JSON, or a {@link Text}. */
  @FunctionalInterface
  interface Handler {
    Object answer(Request request) throws SQLException;
  }

  /** An answer that is no JSON. */
  record Text(String contentType, String text) {}

  Route {
    fields = List.copyOf(fields);
  }

  /** Something to read, for viewers. */
  static Route get(String path, String summary, JsonNode answer, Handler handler, Field... fields) {
    return new Route("GET", path, Role.VIEWER, summary, List.of(fields), answer, handler);
  }

  /** Something to do, for admins. */
  static Route post(
      String path, String summary, JsonNode answer, Handler handler, Field... fields) {
    return new Route("POST", path, Role.ADMIN, summary, List.of(fields), answer, handler);
  }

  /** The same operation without a token. */
  Route forEverybody() {
    return new Route(method, path, Role.NOBODY, summary, fields, answer, handler);
  }

  /** Whether it changes something, so that it is recorded. */
  boolean changes() {
    return !method.equals("GET");
  }

  /** The names of the path's variables. */
  List<String> variables() {
    return Stream.of(path.split("/", -1))
        .filter(Route::isVariable)
        .map(part -> part.substring(1, part.length() - 1))
        .toList();
  }

  /**
   * The variables of a path that is this route's.
   *
   * @param rawPath undecoded
   * @return empty: it is not
   */
  Optional<Map<String, String>> match(String rawPath) {
    String[] wanted = path.split("/", -1);
    String[] given = rawPath.split("/", -1);
    if (wanted.length != given.length) {
      return Optional.empty();
    }
    Map<String, String> variables = new HashMap<>();
    for (int i = 0; i < wanted.length; i++) {
      if (isVariable(wanted[i])) {
        // A plus sign is itself in a path.
        variables.put(
            wanted[i].substring(1, wanted[i].length() - 1),
            Request.decode(given[i].replace("+", "%2B")));
      } else if (!wanted[i].equals(given[i])) {
        return Optional.empty();
      }
    }
    return Optional.of(variables);
  }

  private static boolean isVariable(String part) {
    return part.startsWith("{");
  }
}
