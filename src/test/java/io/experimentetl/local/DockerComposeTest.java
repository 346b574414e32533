package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.SpecVersion.VersionFlag;
import io.experimentetl.config.JobConfig;
import io.experimentetl.deploy.DeploymentFiles;
import java.io.IOException;
import java.io.Reader;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import picocli.CommandLine.ParseResult;

/** docker-compose.yml by Compose's own schema, and against the repository: without Docker. */
class DockerComposeTest {
  private static final Path CONFIG = Path.of("deploy/docker-compose/config/experiment-etl.yaml");

  private static final String DATASOURCES = "deploy/monitoring/grafana/datasources.yaml";

  /** Compose writes 2s, and the format of that name is PT2S. */
  private static final SchemaValidatorsConfig COMPOSE_DURATIONS =
      SchemaValidatorsConfig.builder().formatAssertionsEnabled(false).build();

  private static Map<String, Object> file;
  private static Map<String, Map<String, Object>> services;

  @BeforeAll
  @SuppressWarnings("unchecked")
  static void read() throws IOException {
    try (Reader reader = Files.newBufferedReader(Path.of("docker-compose.yml"))) {
      file = new Yaml(new SafeConstructor(new LoaderOptions())).load(reader);
    }
    services = (Map<String, Map<String, Object>>) file.get("services");
  }

  @SuppressWarnings("unchecked")
  private static List<String> texts(Map<String, Object> service, String key) {
    return (List<String>) service.getOrDefault(key, List.of());
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> keys(Map<String, Object> service, String key) {
    return (Map<String, Object>) service.getOrDefault(key, Map.of());
  }

  @Test
  void fileFitsTheSchemaOfCompose() throws IOException {
    assertThat(schemaErrors(file)).isEmpty();
    Map<String, Object> misspelt = new HashMap<>(services.get("kafka"));
    misspelt.put("heathcheck", misspelt.remove("healthcheck"));
    assertThat(schemaErrors(Map.of("services", Map.of("kafka", misspelt))))
        .singleElement()
        .asString()
        .contains("heathcheck");
  }

  private static List<String> schemaErrors(Object compose) throws IOException {
    ObjectMapper json = new ObjectMapper();
    JsonNode schema = json.readTree(DownloadCache.composeSchema().toFile());
    // The names of draft 4, which the schema's own draft does not have.
    schema.findParents("id").stream()
        .filter(parent -> parent.get("id").isTextual())
        .forEach(parent -> ((ObjectNode) parent).remove("id"));
    ((ObjectNode) schema).remove(List.of("id", "$schema"));
    return JsonSchemaFactory.getInstance(VersionFlag.V7)
        .getSchema(schema, COMPOSE_DURATIONS)
        .validate(json.valueToTree(compose))
        .stream()
        .map(Object::toString)
        .toList();
  }

  @Test
  void volumesAreDeclaredAndFilesExist() {
    Set<String> named = new TreeSet<>();
    services.forEach(
        (name, service) -> {
          for (String volume : texts(service, "volumes")) {
            String source = volume.substring(0, volume.indexOf(':'));
            if (source.startsWith("./")) {
              assertThat(Path.of(source)).as(name).exists();
            } else {
              named.add(source);
            }
          }
        });
    assertThat(named).isEqualTo(keys(file, "volumes").keySet());
  }

  @Test
  void imagesAreExactAndThoseOfTheTests() throws IOException {
    Map<String, String> images = new TreeMap<>();
    services.forEach(
        (name, service) -> {
          String[] image = ((String) service.get("image")).split(":", 2);
          assertThat(image[1]).as(name).matches("v?\\d+(\\.\\d+)+");
          assertThat(images.put(image[0], image[1])).as(name).isIn(null, image[1]);
        });
    assertThat(images.keySet())
        .containsExactly(
            "apache/kafka",
            "clickhouse/clickhouse-server",
            "experiment-etl",
            "grafana/grafana",
            "postgres",
            "prom/prometheus");
    assertThat(images)
        .containsEntry("apache/kafka", DeploymentFiles.pom("kafka.version"))
        .containsEntry(
            "clickhouse/clickhouse-server", DownloadCache.CHDB_VERSION.replaceFirst("-.*", ""))
        .containsEntry("experiment-etl", DeploymentFiles.image().replaceFirst(".*:", ""))
        .containsEntry("postgres", DownloadCache.POSTGRES_VERSION);
  }

  @Test
  void imageOfTheJobIsBuiltFromItsDockerfile() {
    services.forEach(
        (name, service) -> {
          if (((String) service.get("image")).startsWith("experiment-etl:")) {
            assertThat(keys(service, "build"))
                .as(name)
                .isEqualTo(Map.of("context", ".", "dockerfile", "deploy/docker/Dockerfile"));
          }
        });
    assertThat(Path.of("deploy/docker/Dockerfile")).exists();
  }

  @Test
  void kafkaWritesToItsVolume() {
    Map<String, Object> kafka = services.get("kafka");
    assertThat(texts(kafka, "volumes"))
        .containsExactly("kafka-data:" + keys(kafka, "environment").get("KAFKA_LOG_DIRS"));
  }

  @Test
  void portsAreThoseOfTheLoopback() {
    services.forEach(
        (name, service) ->
            assertThat(texts(service, "ports"))
                .as(name)
                .allSatisfy(port -> assertThat(port).matches("127\\.0\\.0\\.1:(\\d+):\\1")));
  }

  @Test
  void longRunningServicesHaveAHealthcheckAndComeBack() {
    Set<String> once =
        Set.of("postgres-schema", "clickhouse-schema", "flink-state", "submit", "operations");
    services.forEach(
        (name, service) -> {
          if (once.contains(name)) {
            assertThat(service).as(name).doesNotContainKeys("healthcheck", "restart");
          } else {
            assertThat(service)
                .as(name)
                .containsKey("healthcheck")
                .containsEntry("restart", "unless-stopped");
          }
        });
  }

  @Test
  @SuppressWarnings("unchecked")
  void awaitedServicesExistAndCanBeAwaited() {
    services.forEach(
        (name, service) ->
            keys(service, "depends_on")
                .forEach(
                    (awaited, how) -> {
                      assertThat(services).as(name).containsKey(awaited);
                      if (((Map<String, String>) how).get("condition").equals("service_healthy")) {
                        assertThat(services.get(awaited)).as(awaited).containsKey("healthcheck");
                      }
                    }));
  }

  /** A variable of a container can be read by docker inspect, and by every child process. */
  @Test
  void passwordsAreFilesThatTheServiceMounts() throws IOException {
    Set<String> used = new TreeSet<>();
    String config = Files.readString(CONFIG);
    String datasources = Files.readString(Path.of(DATASOURCES));
    String prometheus = Files.readString(Path.of("deploy/monitoring/prometheus.yaml"));
    services.forEach(
        (name, service) -> {
          keys(service, "environment")
              .forEach((key, value) -> assertThat(key).as(name).doesNotEndWith("PASSWORD"));
          String names = service.toString();
          if (texts(service, "volumes").stream().anyMatch(each -> each.endsWith(":/job/config"))) {
            names += config;
          }
          if (texts(service, "volumes").stream().anyMatch(each -> each.contains(DATASOURCES))) {
            names += datasources;
          }
          if (name.equals("prometheus")) {
            names += prometheus;
          }
          Set<String> read = new TreeSet<>();
          Matcher secret = Pattern.compile("/run/secrets/([a-z-]+)").matcher(names);
          while (secret.find()) {
            read.add(secret.group(1));
          }
          assertThat(texts(service, "secrets")).as(name).containsExactlyInAnyOrderElementsOf(read);
          used.addAll(read);
        });
    assertThat(keys(file, "secrets").keySet()).isEqualTo(used);
  }

  @Test
  void secretsAreInAFolderThatGitIgnores() throws IOException {
    String folder = "deploy/docker-compose/secrets/";
    assertThat(Files.readAllLines(Path.of(".gitignore"))).contains(folder);
    Set<String> roles = new TreeSet<>();
    Set<String> others = new TreeSet<>();
    keys(file, "secrets")
        .forEach(
            (name, secret) -> {
              assertThat(secret).isEqualTo(Map.of("file", "./" + folder + name));
              if (name.endsWith("-password")) {
                roles.add(name.replace("-password", ""));
              } else {
                others.add(name);
              }
            });
    for (String page : List.of("docker-compose.yml", "docs/deployment.md")) {
      Matcher made =
          Pattern.compile(
                  "for name in ([a-z ]+); do openssl rand -hex 16 > "
                      + folder
                      + "\\$name-password; done")
              .matcher(Files.readString(Path.of(page)));
      assertThat(made.find()).as(page).isTrue();
      assertThat(made.group(1).split(" ")).containsExactlyInAnyOrderElementsOf(roles);
      for (String other : others) {
        assertThat(Files.readString(Path.of(page)))
            .as(page)
            .containsPattern("(>|-out|-keyout) " + folder + other + "\\b");
      }
    }
  }

  @Test
  void configurationNamesTheServices(@TempDir Path folder) throws IOException {
    JobConfig config = DeploymentFiles.config(Files.readString(CONFIG), "/run/secrets", folder);
    URI clickHouse = URI.create(config.clickhouse().url());
    assertPublished(config.source().host(), config.source().port());
    assertPublished(clickHouse.getHost(), clickHouse.getPort());
    assertThat(keys(services.get("postgres"), "environment"))
        .containsEntry("POSTGRES_DB", config.source().database());
    assertThat(keys(services.get("postgres-schema"), "environment"))
        .containsEntry("PGHOST", config.source().host())
        .containsEntry("PGDATABASE", config.source().database());
    assertThat(keys(services.get("clickhouse"), "environment"))
        .containsEntry("CLICKHOUSE_DB", config.clickhouse().database())
        .containsEntry("CLICKHOUSE_USER", config.clickhouse().username());
    assertThat(keys(services.get("clickhouse-schema"), "environment"))
        .containsEntry("CLICKHOUSE_USER", config.clickhouse().username());
    assertThat(texts(services.get("clickhouse-schema"), "command").get(0))
        .contains("--host clickhouse --database " + config.clickhouse().database());
    assertThat(texts(services.get("postgres-schema"), "command").get(0))
        .contains("ALTER ROLE " + config.source().username() + " ");
  }

  /** Every port that a service listens on is published on the loopback, under its own number. */
  private static void assertPublished(String service, int port) {
    assertThat(services).containsKey(service);
    assertThat(texts(services.get(service), "ports"))
        .contains("127.0.0.1:%1$d:%1$d".formatted(port));
  }

  @Test
  void verbsAreKnownAndTheirPathsAreMounted() {
    for (String name : List.of("submit", "operations", "serve")) {
      Map<String, Object> service = services.get(name);
      assertThat(texts(service, "entrypoint")).containsExactly("java", "-jar", DeploymentFiles.JAR);
      ParseResult verb = DeploymentFiles.verb(texts(service, "command"));
      assertThat(verb.commandSpec().name()).isEqualTo(name.equals("operations") ? "status" : name);
      assertThat(DeploymentFiles.option(verb, "--config"))
          .isEqualTo("/job/config/" + CONFIG.getFileName());
      assertThat(texts(service, "volumes")).contains("./" + CONFIG.getParent() + ":/job/config");
      URI flink = URI.create(DeploymentFiles.option(verb, "--flink"));
      assertPublished(flink.getHost(), flink.getPort());
      assertThat(flink.getPort()).hasToString(DeploymentFiles.flinkConf().get("rest.port"));
      String state = DeploymentFiles.option(verb, "--cluster-state");
      assertThat(texts(service, "volumes")).contains("flink-state:" + state);
      assertThat(DeploymentFiles.option(verb, "--state-directory")).startsWith(state + "/");
      assertThat(
              URI.create(DeploymentFiles.flinkConf().get("execution.checkpointing.savepoint-dir"))
                  .getPath())
          .startsWith(state + "/");
    }
    for (String name : List.of("jobmanager", "taskmanager")) {
      assertThat(texts(services.get(name), "volumes"))
          .as("the same paths as the verbs")
          .isEqualTo(services.get("submit").get("volumes"));
      assertThat(keys(services.get(name), "environment"))
          .containsEntry("FLINK_CONF_DIR", "/opt/experiment-etl/flink-conf");
    }
  }

  @Test
  void commandsOfTheDocumentationAreKnown() throws IOException {
    Matcher command =
        Pattern.compile("docker compose run --rm operations ([^`]+)`")
            .matcher(Files.readString(Path.of("docs/deployment.md")));
    assertThat(command.find()).isTrue();
    ParseResult verb = DeploymentFiles.verb(List.of(command.group(1).split("\\s+")));
    ParseResult status = DeploymentFiles.verb(texts(services.get("operations"), "command"));
    for (String name : List.of("--config", "--flink", "--state-directory", "--cluster-state")) {
      assertThat(DeploymentFiles.option(verb, name))
          .isEqualTo(DeploymentFiles.option(status, name));
    }
  }

  @Test
  void headOfTheFileHasTheCommandsOfTheDocumentation() throws IOException {
    String page = Files.readString(Path.of("docs/deployment.md"));
    String section = page.substring(page.indexOf("\n## Docker Compose\n"));
    assertThat(
            Files.readAllLines(Path.of("docker-compose.yml")).stream()
                .takeWhile(line -> line.startsWith("#"))
                .filter(line -> line.startsWith("#   "))
                .map(line -> line.substring(4)))
        .containsExactly(section.split("```\n", 3)[1].split("\n"));
  }

  @Test
  void prometheusScrapesTheProcessesOfFlink() throws IOException {
    JsonNode scraped =
        DeploymentFiles.yaml(Path.of("deploy/monitoring/prometheus.yaml"))
            .get(0)
            .at("/scrape_configs/0/dns_sd_configs/0");
    assertThat(DeploymentFiles.texts(scraped.get("names")))
        .containsExactly("jobmanager", "taskmanager")
        .allSatisfy(name -> assertThat(services).containsKey(name));
    assertThat(scraped.get("port").asInt()).isEqualTo(DeploymentFiles.metricsPort());
    assertThat(texts(services.get("prometheus"), "command"))
        .contains("--config.file=/etc/prometheus/prometheus.yaml");
    assertThat(texts(services.get("prometheus"), "volumes"))
        .contains("./deploy/monitoring/prometheus.yaml:/etc/prometheus/prometheus.yaml:ro");
    for (JsonNode rules :
        DeploymentFiles.yaml(Path.of("deploy/monitoring/prometheus.yaml"))
            .get(0)
            .get("rule_files")) {
      assertThat(texts(services.get("prometheus"), "volumes"))
          .contains("./deploy/monitoring/%1$s:/etc/prometheus/%1$s:ro".formatted(rules.asText()));
    }
  }

  @Test
  void apiIsServedWithTlsAndScraped(@TempDir Path folder) throws IOException {
    Map<String, Object> serve = services.get("serve");
    ParseResult verb = DeploymentFiles.verb(texts(serve, "command"));
    String role = DeploymentFiles.option(verb, "--postgres-user");
    String password = DeploymentFiles.option(verb, "--postgres-password-file");
    assertThat(texts(services.get("postgres-schema"), "command").get(0))
        .contains("\\set password `cat " + password + "`\nALTER ROLE " + role + " ");
    int port =
        DeploymentFiles.config(Files.readString(CONFIG), "/run/secrets", folder).serve().port();
    assertPublished("serve", port);
    assertThat(keys(serve, "environment"))
        .containsEntry("EXPERIMENT_ETL_SERVE_HOST", "0.0.0.0")
        .containsEntry("EXPERIMENT_ETL_SERVE_CERTIFICATE_FILE", "/run/secrets/serve-certificate");
    JsonNode scraped =
        DeploymentFiles.yaml(Path.of("deploy/monitoring/prometheus.yaml"))
            .get(0)
            .at("/scrape_configs/1");
    assertThat(scraped.at("/static_configs/0/targets/0").asText()).isEqualTo("serve:" + port);
    assertThat(scraped.get("scheme").asText()).isEqualTo("https");
    assertThat(scraped.at("/tls_config/ca_file").asText())
        .isEqualTo(keys(serve, "environment").get("EXPERIMENT_ETL_SERVE_CERTIFICATE_FILE"));
  }

  @Test
  void grafanaFindsItsSourcesAndDashboards() throws IOException {
    JsonNode sources = DeploymentFiles.yaml(Path.of(DATASOURCES)).get(0).get("datasources");
    URI prometheus = URI.create(sources.at("/0/url").asText());
    assertPublished(prometheus.getHost(), prometheus.getPort());
    JsonNode clickHouse = sources.at("/1/jsonData");
    assertPublished(clickHouse.get("host").asText(), clickHouse.get("port").asInt());
    assertThat(keys(services.get("clickhouse"), "environment"))
        .containsEntry("CLICKHOUSE_DB", clickHouse.get("defaultDatabase").asText())
        .containsEntry("CLICKHOUSE_USER", clickHouse.get("username").asText());
    Map<String, Object> grafana = services.get("grafana");
    assertThat((String) keys(grafana, "environment").get("GF_PLUGINS_PREINSTALL"))
        .startsWith(sources.at("/1/type").asText() + "@");
    String dashboards =
        DeploymentFiles.yaml(Path.of("deploy/monitoring/grafana/dashboards.yaml"))
            .get(0)
            .at("/providers/0/options/path")
            .asText();
    assertThat(texts(grafana, "volumes"))
        .contains("./deploy/monitoring/dashboards:" + dashboards + ":ro");
  }
}
