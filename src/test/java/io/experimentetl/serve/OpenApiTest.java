package io.experimentetl.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.operations.Deployment;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Holds the page against the routes; {@code ServeIT} holds the answers against the page. */
class OpenApiTest {
  private static final List<Route> ROUTES =
      Api.routes(
          new Deployment(null, null, null, null, Map.of(), Set.of()),
          Clock.systemUTC(),
          new Metrics());
  private static final JsonNode PAGE = OpenApi.of(ROUTES, "1");

  @Test
  void pageHasExactlyTheRoutes() {
    List<String> described = new ArrayList<>();
    PAGE.path("paths")
        .properties()
        .forEach(
            path ->
                path.getValue()
                    .fieldNames()
                    .forEachRemaining(
                        method ->
                            described.add(method.toUpperCase(Locale.ROOT) + " " + path.getKey())));
    assertThat(described)
        .containsExactlyElementsOf(
            ROUTES.stream().map(route -> route.method() + " " + route.path()).toList());
  }

  /** The names of the seeds' APIs, and those that the product adds. */
  @Test
  void endpointsOfTheDataManagementPlanExist() {
    assertThat(ROUTES)
        .extracting(route -> route.method() + " " + route.path())
        .contains(
            "GET /health",
            "GET /openapi.json",
            "GET /metrics",
            "GET /api/v1/partitions/health",
            "GET /api/v1/partitions/list",
            "GET /api/v1/partitions/status",
            "GET /api/v1/data-management/stats",
            "POST /api/v1/data-management/cleanup",
            "GET /api/v1/data-management/retention-policies",
            "GET /api/v1/pipeline",
            "GET /api/v1/findings",
            "GET /api/v1/experiments/{key}/results",
            "POST /api/v1/partitions/maintenance",
            "POST /api/v1/partitions/create",
            "POST /api/v1/partitions/analyze",
            "POST /api/v1/partitions/vacuum",
            "POST /api/v1/partitions/cleanup");
  }

  @Test
  void onlyHealthAndThePageAreOpenAndEveryChangeNeedsAnAdmin() {
    for (Route route : ROUTES) {
      JsonNode operation = operation(route);
      boolean isOpen = route.path().equals("/health") || route.path().equals("/openapi.json");
      assertThat(operation.has("security")).as(route.path()).isEqualTo(isOpen);
      assertThat(operation.path("x-role").asText())
          .as(route.path())
          .isEqualTo(isOpen ? "nobody" : route.method().equals("GET") ? "viewer" : "admin");
    }
  }

  @Test
  void everyParameterIsDescribedInBothSpellings() {
    Set<String> ids = new HashSet<>();
    for (Route route : ROUTES) {
      JsonNode operation = operation(route);
      assertThat(ids.add(operation.path("operationId").asText())).isTrue();
      assertThat(operation.path("summary").asText()).endsWith(".");
      JsonNode members = operation.at("/requestBody/content/application~1json/schema/properties");
      for (Field field : route.fields()) {
        assertThat(field.description()).isNotBlank();
        assertThat(parameter(operation, field.name())).as(field.name()).isPresent();
        if (route.changes()) {
          assertThat(members.has(field.name())).isTrue();
          assertThat(members.has(field.snakeName())).isTrue();
        }
      }
      for (String variable : route.variables()) {
        assertThat(parameter(operation, variable)).isPresent();
      }
    }
  }

  private static JsonNode operation(Route route) {
    return PAGE.path("paths").path(route.path()).path(route.method().toLowerCase(Locale.ROOT));
  }

  private static Optional<JsonNode> parameter(JsonNode operation, String name) {
    for (JsonNode parameter : operation.path("parameters")) {
      if (parameter.path("name").asText().equals(name)) {
        return Optional.of(parameter);
      }
    }
    return Optional.empty();
  }
}
