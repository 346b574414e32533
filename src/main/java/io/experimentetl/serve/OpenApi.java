package io.experimentetl.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;

/** The description of the API for programs: OpenAPI 3.1, made from the routes. */
final class OpenApi {
  private static final String PROBLEM_SCHEMA = "#/components/schemas/Problem";

  private OpenApi() {}

  /** The document. */
  static JsonNode of(List<Route> routes, String version) {
    ObjectNode document = JsonNodeFactory.instance.objectNode().put("openapi", "3.1.0");
    document
        .putObject("info")
        .put("title", "experiment-etl")
        .put("version", version)
        .put(
            "description",
            "Data management, partitions and state of the job experiment-etl. Names of parameters may be written dryRun or dry_run.");
    document.putArray("security").addObject().putArray("bearer");
    ObjectNode paths = document.putObject("paths");
    for (Route route : routes) {
      ObjectNode path =
          paths.has(route.path())
              ? (ObjectNode) paths.path(route.path())
              : paths.putObject(route.path());
      path.set(route.method().toLowerCase(Locale.ROOT), operation(route));
    }
    ObjectNode components = document.putObject("components");
    components
        .putObject("securitySchemes")
        .putObject("bearer")
        .put("type", "http")
        .put("scheme", "bearer");
    components
        .putObject("schemas")
        .set(
            "Problem",
            Schema.object(
                "type:string",
                "title:string",
                "status:integer",
                "detail:string",
                "instance:string"));
    return document;
  }

  private static ObjectNode operation(Route route) {
    ObjectNode operation =
        JsonNodeFactory.instance
            .objectNode()
            .put("operationId", operationId(route))
            .put("summary", route.summary())
            .put("x-role", route.role().text());
    if (route.role() == Role.NOBODY) {
      operation.putArray("security");
    }
    ArrayNode parameters = operation.putArray("parameters");
    for (String variable : route.variables()) {
      parameters
          .addObject()
          .put("name", variable)
          .put("in", "path")
          .put("required", true)
          .putObject("schema")
          .put("type", "string");
    }
    for (Field field : route.fields()) {
      ObjectNode parameter =
          parameters
              .addObject()
              .put("name", field.name())
              .put("in", "query")
              .put("description", field.description());
      parameter.set("schema", schema(field));
    }
    if (route.changes()) {
      operation.set("requestBody", body(route));
    }
    ObjectNode responses = operation.putObject("responses");
    ObjectNode content = responses.putObject("200").put("description", "done").putObject("content");
    if (route.answer() == null) {
      content.putObject("text/plain").putObject("schema").put("type", "string");
    } else {
      content.putObject("application/json").set("schema", route.answer());
    }
    responses
        .putObject("default")
        .put("description", "a problem of RFC 9457")
        .putObject("content")
        .putObject("application/problem+json")
        .putObject("schema")
        .put("$ref", PROBLEM_SCHEMA);
    return operation;
  }

  private static ObjectNode body(Route route) {
    ObjectNode body = JsonNodeFactory.instance.objectNode().put("required", false);
    ObjectNode schema = body.putObject("content").putObject("application/json").putObject("schema");
    schema.put("type", "object").put("additionalProperties", false);
    ObjectNode properties = schema.putObject("properties");
    for (Field field : route.fields()) {
      properties.set(field.name(), schema(field).put("description", field.description()));
      if (!field.snakeName().equals(field.name())) {
        properties.set(
            field.snakeName(), schema(field).put("description", "the same as " + field.name()));
      }
    }
    return body;
  }

  private static ObjectNode schema(Field field) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("type", field.type().name().toLowerCase(Locale.ROOT));
  }

  /** {@code getPartitionsHealth} of {@code GET /api/v1/partitions/health}. */
  private static String operationId(Route route) {
    StringBuilder id = new StringBuilder(route.method().toLowerCase(Locale.ROOT));
    for (String word : route.path().replace("/api/v1", "").split("[^A-Za-z0-9]+", -1)) {
      if (!word.isEmpty()) {
        id.append(Character.toUpperCase(word.charAt(0))).append(word.substring(1));
      }
    }
    return id.toString();
  }
}
