package io.experimentetl.serve;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.config.ServeConfig;
import io.experimentetl.maintenance.Partitions;
import io.experimentetl.maintenance.Runner;
import io.experimentetl.maintenance.Schedule;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.OperationsException;
import io.experimentetl.operations.ServerMetrics;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** All routes of the API, for one deployment. */
final class Api {
  /** Of one statement of PostgreSQL. A clean-up and a VACUUM run several. */
  private static final Duration STATEMENT_TIMEOUT = Duration.ofMinutes(10);

  private Api() {}

  /**
   * Starts the server for a deployment.
   *
   * @throws OperationsException when the configuration lacks what it needs
   */
  static ApiServer start(Deployment deployment, Clock clock, ActionLog log) {
    ServeConfig config = deployment.databases().config().serve();
    if (config.tokensFile() == null) {
      throw new OperationsException(
          "serve.tokens-file is not set: make a token with openssl rand -hex 32, write NAME admin and the token's SHA-256 into a file, and name the file");
    }
    Tokens tokens = new Tokens(Path.of(config.tokensFile()));
    Metrics metrics = new Metrics();
    metrics.add(ServerMetrics.of(deployment.databases(), deployment.cluster().flink())::write);
    return ApiServer.start(
        config, routes(deployment, clock, metrics), tokens, new Changes(log), metrics);
  }

  /** The record of the deployment's changes. */
  static ActionLog log(Deployment deployment, Clock clock) {
    return new ActionLog(
            Optional.ofNullable(deployment.databases().config().serve().actionLog())
                .map(Path::of)
                .orElseGet(() -> deployment.memory().directory().resolve("actions.jsonl")),
            clock)
        .open();
  }

  /** The routes, in the order of the OpenAPI page. */
  static List<Route> routes(Deployment deployment, Clock clock, Metrics metrics) {
    List<Route> routes = new ArrayList<>();
    JsonNode[] page = new JsonNode[1];
    routes.add(
        Route.get(
                "/health",
                "Whether serve answers; the servers behind it are not asked.",
                Schema.object("status:string"),
                request -> Map.of("status", "UP"))
            .forEverybody());
    routes.add(
        Route.get("/openapi.json", "This description.", Schema.anyObject(), request -> page[0])
            .forEverybody());
    routes.add(
        Route.get(
            "/metrics",
            "Metrics in Prometheus' text format.",
            null,
            request -> new Route.Text(Metrics.CONTENT_TYPE, metrics.text())));
    routes.addAll(
        PartitionRoutes.of(
            () -> new Partitions(deployment.databases(), STATEMENT_TIMEOUT),
            () -> new Schedule(deployment.databases().postgres(), clock, Runner.name()).tasks()));
    routes.addAll(new DataRoutes(deployment, clock).routes());
    routes.addAll(new PipelineRoutes(deployment).routes());
    page[0] = OpenApi.of(routes, version());
    return List.copyOf(routes);
  }

  private static String version() {
    return Optional.ofNullable(Api.class.getPackage().getImplementationVersion())
        .orElse("not packaged");
  }
}
