package io.experimentetl.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A request whose parameters are checked against the fields of its route.
 *
 * @param path the values of the path's variables
 * @param values the given fields by their {@link Field#name}
 */
record Request(Principal sender, Map<String, String> path, Map<String, Object> values) {
  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  /**
   * Reads the parameters.
   *
   * @param query undecoded; null: none
   * @param body JSON, or empty
   * @throws ProblemException naming the parameter that is unknown, given twice, or of a wrong type
   */
  static Request read(
      Principal sender, Map<String, String> path, List<Field> fields, String query, byte[] body) {
    Map<String, Object> values = new LinkedHashMap<>();
    JsonNode members = members(body);
    members
        .properties()
        .forEach(
            member -> {
              Field field = field(fields, member.getKey());
              put(values, field, field.read(member.getValue()));
            });
    if (query != null && !query.isEmpty()) {
      for (String part : query.split("&", -1)) {
        String[] pair = part.split("=", 2);
        Field field = field(fields, decode(pair[0]));
        put(values, field, field.read(pair.length == 1 ? "" : decode(pair[1])));
      }
    }
    return new Request(sender, path, values);
  }

  private static JsonNode members(byte[] body) {
    if (body.length == 0) {
      return MissingNode.getInstance();
    }
    try {
      JsonNode members = JSON.readTree(body);
      if (!members.isObject()) {
        throw ProblemException.badRequest("The body is not a JSON object.");
      }
      return members;
    } catch (JsonProcessingException e) {
      throw ProblemException.badRequest(
          "The body is not JSON (line %d, column %d)."
              .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr()));
    } catch (IOException e) {
      throw ProblemException.badRequest("The body is not JSON in UTF-8.");
    }
  }

  private static Field field(List<Field> fields, String name) {
    return fields.stream()
        .filter(field -> field.isNamed(name))
        .findFirst()
        .orElseThrow(
            () ->
                ProblemException.badRequest(
                    "%s is no parameter of this request; %s"
                        .formatted(
                            name.length() > 64 ? name.substring(0, 64) : name,
                            fields.isEmpty()
                                ? "it takes none."
                                : "it takes "
                                    + fields.stream()
                                        .map(Field::name)
                                        .collect(Collectors.joining(", "))
                                    + ".")));
  }

  private static void put(Map<String, Object> values, Field field, Object value) {
    if (values.put(field.name(), value) != null) {
      throw ProblemException.badRequest(field.name() + " is given twice.");
    }
  }

  static String decode(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw ProblemException.badRequest("The address has a % that encodes nothing.");
    }
  }

  String variable(String name) {
    return path.get(name);
  }

  Optional<String> text(String name) {
    return Optional.ofNullable((String) values.get(name));
  }

  Optional<Integer> integer(String name) {
    return Optional.ofNullable((Integer) values.get(name));
  }

  boolean bool(String name, boolean defaultValue) {
    return (boolean) values.getOrDefault(name, defaultValue);
  }

  /** A change is only shown unless the request says otherwise. */
  boolean isDryRun() {
    return bool("dryRun", true);
  }
}
