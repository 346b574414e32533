package io.experimentetl.deploy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion.VersionFlag;
import java.io.IOException;
import java.net.URL;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * The schemas of Kubernetes' resources, and of the operator's custom resources. A field that a
 * schema does not have is an error here; a server drops it.
 */
final class KubernetesSchemas {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String MODEL = "schema/kube-schema.json";

  /** The jar that has a kind's schema, and the schema's name there. */
  private record Place(String jar, String definition) {}

  private static final Map<String, Place> PLACES =
      Map.of(
          "v1/ConfigMap", new Place("kubernetes-model-core", "kubernetes_core_ConfigMap"),
          "v1/Service", new Place("kubernetes-model-core", "kubernetes_core_Service"),
          "apps/v1/Deployment", new Place("kubernetes-model-apps", "kubernetes_apps_Deployment"),
          "v1/PersistentVolumeClaim",
              new Place("kubernetes-model-core", "kubernetes_core_PersistentVolumeClaim"),
          "batch/v1/CronJob", new Place("kubernetes-model-batch", "kubernetes_batch_v1_CronJob"),
          "networking.k8s.io/v1/NetworkPolicy",
              new Place("kubernetes-model-networking", "kubernetes_networking_v1_NetworkPolicy"),
          "monitoring.coreos.com/v1/PodMonitor",
              new Place("openshift-model-monitoring", "os_monitoring_v1_PodMonitor"));

  private KubernetesSchemas() {}

  /** What is wrong with a resource by its schema. */
  static List<String> errors(JsonNode resource) throws IOException {
    String kind = resource.path("apiVersion").asText() + "/" + resource.path("kind").asText();
    return JsonSchemaFactory.getInstance(VersionFlag.V7)
        .getSchema(schema(kind))
        .validate(resource)
        .stream()
        .map(Object::toString)
        .toList();
  }

  private static JsonNode schema(String kind) throws IOException {
    if (kind.startsWith("flink.apache.org/v1beta1/")) {
      return custom(kind.substring(kind.lastIndexOf('/') + 1));
    }
    Place place = PLACES.get(kind);
    if (place == null) {
      throw new IllegalArgumentException("There is no schema of the kind " + kind + ".");
    }
    for (URL url : Collections.list(KubernetesSchemas.class.getClassLoader().getResources(MODEL))) {
      if (url.getPath().contains(place.jar())) {
        ObjectNode root = JSON.createObjectNode();
        root.set("definitions", strict(JSON.readTree(url).get("definitions")));
        root.put("$ref", "#/definitions/" + place.definition());
        return root;
      }
    }
    throw new IllegalStateException(place.jar() + " is not on the class path");
  }

  /** The operator's jar has the resource's definition, which leaves out what all resources have. */
  private static JsonNode custom(String kind) throws IOException {
    String file =
        "META-INF/fabric8/%ss.flink.apache.org-v1.yml".formatted(kind.toLowerCase(Locale.ROOT));
    try (var in = KubernetesSchemas.class.getClassLoader().getResourceAsStream(file)) {
      JsonNode definition =
          JSON.valueToTree(new Yaml(new SafeConstructor(new LoaderOptions())).<Object>load(in));
      JsonNode version = definition.at("/spec/versions/0");
      ObjectNode schema = (ObjectNode) strict(version.at("/schema/openAPIV3Schema"));
      ObjectNode properties = (ObjectNode) schema.get("properties");
      for (String common : List.of("apiVersion", "kind", "metadata")) {
        properties.putObject(common);
      }
      return schema;
    }
  }

  /** The same schema, which refuses fields that it does not name. */
  private static JsonNode strict(JsonNode schema) {
    if (schema.isArray()) {
      ArrayNode items = JSON.createArrayNode();
      schema.forEach(item -> items.add(strict(item)));
      return items;
    }
    if (!schema.isObject()) {
      return schema;
    }
    ObjectNode copy = JSON.createObjectNode();
    for (Map.Entry<String, JsonNode> entry : schema.properties()) {
      copy.set(entry.getKey(), written(entry.getKey(), strict(entry.getValue())));
    }
    // Draft 3 has it at the property.
    if (copy.path("required").isBoolean()) {
      copy.remove("required");
    }
    if (schema.path("x-kubernetes-int-or-string").asBoolean()) {
      copy.putArray("type").add("integer").add("string");
    }
    JsonNode properties = schema.path("properties");
    // An object whose own property is called "properties" is a list of properties.
    if (properties.isObject() && !properties.isEmpty() && schema.path("type").isTextual()) {
      copy.put("additionalProperties", false);
    }
    return copy;
  }

  /** The models describe these by the fields of Go's types, not by what is written in a file. */
  private static JsonNode written(String name, JsonNode definition) {
    ObjectNode schema = JSON.createObjectNode();
    if (name.endsWith("_Quantity")) {
      schema.putArray("type").add("string").add("number");
      return schema;
    }
    if (name.endsWith("_IntOrString")) {
      schema.putArray("type").add("integer").add("string");
      return schema;
    }
    return definition;
  }
}
