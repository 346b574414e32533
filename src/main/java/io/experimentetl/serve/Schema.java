package io.experimentetl.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Schemas of answers, as OpenAPI 3.1 writes them. */
final class Schema {
  private Schema() {}

  /**
   * An object that has exactly these members.
   *
   * @param members each {@code name:type}; a question mark behind the type allows null
   */
  static ObjectNode object(String... members) {
    ObjectNode schema = JsonNodeFactory.instance.objectNode();
    schema.put("type", "object");
    schema.putObject("properties");
    schema.putArray("required");
    schema.put("additionalProperties", false);
    for (String member : members) {
      String[] parts = member.split(":", 2);
      with(schema, parts[0], type(parts[1]));
    }
    return schema;
  }

  /** Adds a member to an object. */
  static ObjectNode with(ObjectNode object, String name, JsonNode schema) {
    ((ObjectNode) object.path("properties")).set(name, schema);
    object.withArray("required").add(name);
    return object;
  }

  /** An object with one member, a list. */
  static ObjectNode listOf(String name, JsonNode element) {
    return with(object(), name, array(element));
  }

  static ObjectNode array(JsonNode element) {
    ObjectNode array = JsonNodeFactory.instance.objectNode().put("type", "array");
    array.set("items", element);
    return array;
  }

  /** An object whose members have any name. */
  static ObjectNode anyObject() {
    return JsonNodeFactory.instance.objectNode().put("type", "object");
  }

  private static ObjectNode type(String type) {
    ObjectNode schema = JsonNodeFactory.instance.objectNode();
    if (type.endsWith("?")) {
      schema.putArray("type").add(type.substring(0, type.length() - 1)).add("null");
    } else {
      schema.put("type", type);
    }
    return schema;
  }
}
