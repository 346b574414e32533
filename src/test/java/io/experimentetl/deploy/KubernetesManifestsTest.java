package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.JobArguments;
import io.experimentetl.config.JobConfig;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.TaskManagerOptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** deploy/kubernetes by the schemas of its resources, and against the repository. */
class KubernetesManifestsTest {
  private static final Path FOLDER = Path.of("deploy/kubernetes");
  private static final String PASSWORDS = "/etc/experiment-etl/passwords";
  private static final String CONFIG = "/etc/experiment-etl/config/experiment-etl.yaml";

  /** The operator sets them: addresses, and what has a field of its own. */
  private static final Set<String> NOT_IN_FLINK_CONFIGURATION =
      Set.of(
          "jobmanager.rpc.address",
          "jobmanager.rpc.port",
          "jobmanager.bind-host",
          "taskmanager.bind-host",
          "rest.address",
          "rest.bind-address",
          "resourcemanager.standalone.start-up-time",
          "jobmanager.memory.process.size",
          "taskmanager.memory.process.size",
          "parallelism.default");

  private static List<JsonNode> resources;
  private static JsonNode flink;

  @BeforeAll
  static void read() throws IOException {
    resources = new ArrayList<>();
    try (Stream<Path> files = Files.list(FOLDER)) {
      for (Path file : files.sorted().toList()) {
        resources.addAll(DeploymentFiles.yaml(file));
      }
    }
    flink = only("FlinkDeployment").get("spec");
  }

  private static List<JsonNode> all(String kind) {
    return resources.stream().filter(each -> each.get("kind").asText().equals(kind)).toList();
  }

  private static JsonNode only(String kind) {
    assertThat(all(kind)).hasSize(1);
    return all(kind).get(0);
  }

  @Test
  void everyResourceFitsItsSchema() throws IOException {
    assertThat(resources).hasSize(13);
    for (JsonNode resource : resources) {
      assertThat(KubernetesSchemas.errors(resource))
          .as(resource.at("/metadata/name").asText())
          .isEmpty();
    }
  }

  @Test
  void misspeltFieldDoesNotFitTheSchema() throws IOException {
    Map<String, String> misspelt =
        Map.of(
            "FlinkDeployment", "/spec/job",
            "CronJob", "/spec/jobTemplate/spec/template/spec/containers/0",
            "NetworkPolicy", "/spec/ingress/1/ports/0",
            "PodMonitor", "/spec/podMetricsEndpoints/0",
            "Deployment", "/spec/template/spec/containers/0/livenessProbe",
            "Service", "/spec/ports/0",
            "PersistentVolumeClaim", "/spec",
            "ConfigMap", "/metadata");
    for (Map.Entry<String, String> entry : misspelt.entrySet()) {
      JsonNode copy = all(entry.getKey()).get(0).deepCopy();
      ((ObjectNode) copy.at(entry.getValue())).put("upgradMode", "savepoint");
      assertThat(KubernetesSchemas.errors(copy))
          .as(entry.getKey())
          .singleElement()
          .asString()
          .contains("upgradMode");
    }
    JsonNode pod = only("FlinkDeployment").deepCopy();
    ((ObjectNode) pod.at("/spec/podTemplate/spec/containers/0")).put("imagePulPolicy", "Always");
    assertThat(KubernetesSchemas.errors(pod)).hasSize(1);
  }

  @Test
  void jobIsTheOneOfTheImage() throws Exception {
    assertThat(flink.get("image").asText()).isEqualTo(DeploymentFiles.image());
    assertThat(flink.get("flinkVersion").asText())
        .isEqualTo(
            "v"
                + DeploymentFiles.pom("flink.version")
                    .replaceFirst("\\.\\d+$", "")
                    .replace('.', '_'));
    JsonNode job = flink.get("job");
    assertThat(job.get("jarURI").asText()).isEqualTo("local://" + DeploymentFiles.JAR);
    assertThat(job.get("entryClass").asText()).isEqualTo(ExperimentEtlJob.class.getName());
    assertThat(job.get("upgradeMode").asText()).isEqualTo("savepoint");
    assertThat(job.get("parallelism").asText())
        .isEqualTo(DeploymentFiles.flinkConf().get("parallelism.default"));
    List<String> arguments = DeploymentFiles.texts(job.get("args"));
    assertThat(arguments).containsExactly("--config", CONFIG);
    JobArguments.parse(arguments);
  }

  @Test
  void flinkConfigurationIsTheRepositorys() {
    Map<String, String> ours = DeploymentFiles.flinkConf();
    assertThat(ours.keySet()).containsAll(NOT_IN_FLINK_CONFIGURATION);
    ours.keySet().removeAll(NOT_IN_FLINK_CONFIGURATION);
    // In application mode the FlinkDeployment is what starts and stops the job.
    ours.put("web.submit.enable", "false");
    ours.put("web.cancel.enable", "false");
    ours.put("high-availability.type", "kubernetes");
    ours.put("high-availability.storageDir", "file:///opt/flink/state/ha");
    // The operator 1.10 knows these two by their former names only.
    ours.put("state.checkpoints.dir", ours.remove("execution.checkpointing.dir"));
    ours.put("state.savepoints.dir", ours.remove("execution.checkpointing.savepoint-dir"));

    Map<String, String> theirs = flinkConfiguration();
    Map<String, String> operators = new TreeMap<>(theirs);
    operators.keySet().removeIf(key -> !key.startsWith("kubernetes.operator."));
    theirs.keySet().removeAll(operators.keySet());

    assertThat(theirs).isEqualTo(ours);
    assertThat(operators)
        .containsEntry("kubernetes.operator.job.upgrade.last-state-fallback.enabled", "false")
        .containsEntry("kubernetes.operator.savepoint.format.type", "CANONICAL");
  }

  @Test
  void flinkReadsTheDirectoriesByTheirFormerNames() {
    Configuration theirs = Configuration.fromMap(flinkConfiguration());
    Configuration ours = Configuration.fromMap(DeploymentFiles.flinkConf());
    assertThat(theirs.get(CheckpointingOptions.CHECKPOINTS_DIRECTORY))
        .isEqualTo(ours.get(CheckpointingOptions.CHECKPOINTS_DIRECTORY));
    assertThat(theirs.get(CheckpointingOptions.SAVEPOINT_DIRECTORY))
        .isEqualTo(ours.get(CheckpointingOptions.SAVEPOINT_DIRECTORY))
        .isNotNull();
  }

  private static Map<String, String> flinkConfiguration() {
    Map<String, String> keys = new TreeMap<>();
    flink
        .get("flinkConfiguration")
        .properties()
        .forEach(entry -> keys.put(entry.getKey(), entry.getValue().asText()));
    return keys;
  }

  @Test
  void memoryIsThatOfTheRepository() {
    Configuration ours = Configuration.fromMap(DeploymentFiles.flinkConf());
    assertThat(MemorySize.parse(flink.at("/jobManager/resource/memory").asText()))
        .isEqualTo(ours.get(JobManagerOptions.TOTAL_PROCESS_MEMORY));
    assertThat(MemorySize.parse(flink.at("/taskManager/resource/memory").asText()))
        .isEqualTo(ours.get(TaskManagerOptions.TOTAL_PROCESS_MEMORY));
  }

  /** The logging keeps the connector from printing its password. */
  @Test
  void logConfigurationIsTheRepositorys() throws IOException {
    assertThat(flink.at("/logConfiguration/log4j-console.properties").asText())
        .isEqualTo(Files.readString(Path.of("flink-conf/log4j-console.properties")));
  }

  @Test
  void stateOfTheJobIsOnTheSharedVolume() {
    JsonNode claim = only("PersistentVolumeClaim");
    assertThat(DeploymentFiles.texts(claim.at("/spec/accessModes")))
        .containsExactly("ReadWriteMany");
    JsonNode pod = flink.at("/podTemplate/spec");
    assertThat(mounts(pod).get(claim.at("/metadata/name").asText())).isEqualTo("/opt/flink/state");
    assertThat(flinkConfiguration().values().stream().filter(value -> value.startsWith("file:")))
        .hasSize(3)
        .allSatisfy(path -> assertThat(URI.create(path).getPath()).startsWith("/opt/flink/state/"));
  }

  /** Where each claim, secret and config map of a pod is mounted. */
  private static Map<String, String> mounts(JsonNode pod) {
    Map<String, String> sources = new TreeMap<>();
    for (JsonNode volume : pod.get("volumes")) {
      sources.put(
          volume.get("name").asText(),
          volume.at("/persistentVolumeClaim/claimName").asText()
              + volume.at("/secret/secretName").asText()
              + volume.at("/configMap/name").asText());
    }
    Map<String, String> mounts = new TreeMap<>();
    for (JsonNode mount : pod.at("/containers/0/volumeMounts")) {
      assertThat(sources).containsKey(mount.get("name").asText());
      mounts.put(sources.get(mount.get("name").asText()), mount.get("mountPath").asText());
    }
    assertThat(mounts).hasSameSizeAs(sources);
    return mounts;
  }

  private static List<JsonNode> pods() {
    List<JsonNode> pods = new ArrayList<>(List.of(flink.at("/podTemplate/spec")));
    all("CronJob").forEach(job -> pods.add(job.at("/spec/jobTemplate/spec/template/spec")));
    pods.add(only("Deployment").at("/spec/template/spec"));
    return pods;
  }

  @Test
  void everyPodHasTheConfigurationAndThePasswords(@TempDir Path folder) throws IOException {
    String config = only("ConfigMap").at("/metadata/name").asText();
    jobConfig(folder);
    for (JsonNode pod : pods()) {
      assertThat(mounts(pod))
          .containsEntry(config, Path.of(CONFIG).getParent().toString())
          .containsEntry("experiment-etl-passwords", PASSWORDS);
    }
  }

  private static JobConfig jobConfig(Path folder) throws IOException {
    JsonNode data = only("ConfigMap").get("data");
    String name = Path.of(CONFIG).getFileName().toString();
    assertThat(data.properties()).extracting(Map.Entry::getKey).containsExactly(name);
    return DeploymentFiles.config(data.get(name).asText(), PASSWORDS, folder);
  }

  @Test
  void documentationCreatesTheSecretWithItsKeys() throws IOException {
    assertThat(Files.readString(Path.of("docs/deployment.md")))
        .contains(
            "kubectl create secret generic experiment-etl-passwords --from-file=source-password --from-file=clickhouse-password --from-file=serve-password",
            "kubectl create secret generic experiment-etl-serve --from-file=tokens --from-file=viewer --from-file=tls.crt --from-file=tls.key");
  }

  @Test
  void containersHaveNoMoreRightsThanTheUserOfTheImage() {
    for (JsonNode pod : pods()) {
      assertThat(pod.at("/securityContext/runAsUser").asInt()).isEqualTo(9999);
      assertThat(pod.at("/securityContext/fsGroup").asInt()).isEqualTo(9999);
      assertThat(pod.at("/securityContext/runAsNonRoot").asBoolean()).isTrue();
      JsonNode container = pod.at("/containers/0/securityContext");
      assertThat(container.get("allowPrivilegeEscalation").asBoolean(true)).isFalse();
      assertThat(DeploymentFiles.texts(container.at("/capabilities/drop"))).containsExactly("ALL");
    }
  }

  @Test
  void cronJobsRunVerbsOfTheTool() throws IOException {
    List<String> verbs = new ArrayList<>();
    for (JsonNode job : all("CronJob")) {
      JsonNode container = job.at("/spec/jobTemplate/spec/template/spec/containers/0");
      assertThat(container.get("image").asText()).isEqualTo(DeploymentFiles.image());
      assertThat(DeploymentFiles.texts(container.get("command")))
          .startsWith("java")
          .endsWith("-jar", DeploymentFiles.JAR);
      var verb = DeploymentFiles.verb(DeploymentFiles.texts(container.get("args")));
      assertThat(verb.matchedOptionValue("--config", Path.of("none"))).isEqualTo(Path.of(CONFIG));
      assertThat(job.at("/spec/concurrencyPolicy").asText()).isEqualTo("Forbid");
      assertThat(job.at("/spec/timeZone").asText()).isEqualTo("Etc/UTC");
      verbs.add(
          "%s: %s %s"
              .formatted(
                  job.at("/metadata/name").asText(),
                  job.at("/spec/schedule").asText(),
                  String.join(" ", verb.originalArgs())));
    }
    String asServe =
        " --config "
            + CONFIG
            + " --postgres-user=experiment_etl_serve --postgres-password-file=/etc/experiment-etl/passwords/serve-password";
    assertThat(verbs)
        .containsExactly(
            "experiment-etl-maintain: 0 2 * * * maintain daily" + asServe,
            "experiment-etl-archive: 0 4 1 * * maintain monthly" + asServe,
            "experiment-etl-verify: 0 3 * * 0 verify --record --config " + CONFIG);
  }

  @Test
  void apiIsServedWithTlsProbedAndScraped(@TempDir Path folder) throws IOException {
    JsonNode pod = only("Deployment").at("/spec/template/spec");
    JsonNode container = pod.at("/containers/0");
    assertThat(container.get("image").asText()).isEqualTo(DeploymentFiles.image());
    assertThat(DeploymentFiles.texts(container.get("command")))
        .endsWith("-jar", DeploymentFiles.JAR);
    var verb = DeploymentFiles.verb(DeploymentFiles.texts(container.get("args")));
    assertThat(verb.commandSpec().name()).isEqualTo("serve");
    assertThat(DeploymentFiles.option(verb, "--config")).isEqualTo(CONFIG);
    assertThat(DeploymentFiles.option(verb, "--flink"))
        .isEqualTo("http://experiment-etl-rest:" + DeploymentFiles.flinkConf().get("rest.port"));
    assertThat(DeploymentFiles.option(verb, "--postgres-password-file"))
        .isEqualTo(PASSWORDS + "/serve-password");
    String state = mounts(pod).get("experiment-etl-state");
    assertThat(DeploymentFiles.option(verb, "--cluster-state")).isEqualTo(state);
    assertThat(DeploymentFiles.option(verb, "--state-directory")).startsWith(state + "/");

    Map<String, String> environment = new TreeMap<>();
    container
        .get("env")
        .forEach(each -> environment.put(each.get("name").asText(), each.get("value").asText()));
    String secret = mounts(pod).get("experiment-etl-serve");
    assertThat(environment)
        .containsOnly(
            Map.entry("EXPERIMENT_ETL_SERVE_HOST", "0.0.0.0"),
            Map.entry("EXPERIMENT_ETL_SERVE_TOKENS_FILE", secret + "/tokens"),
            Map.entry("EXPERIMENT_ETL_SERVE_CERTIFICATE_FILE", secret + "/tls.crt"),
            Map.entry("EXPERIMENT_ETL_SERVE_KEY_FILE", secret + "/tls.key"));

    JsonNode port = container.at("/ports/0");
    assertThat(port.get("containerPort").asInt()).isEqualTo(jobConfig(folder).serve().port());
    for (String probe : List.of("startupProbe", "livenessProbe", "readinessProbe")) {
      assertThat(container.get(probe).get("httpGet").toString())
          .isEqualTo("{\"path\":\"/health\",\"port\":\"api\",\"scheme\":\"HTTPS\"}");
    }
    String label = "/app.kubernetes.io~1name";
    String name = only("Deployment").at("/spec/template/metadata/labels" + label).asText();
    assertThat(only("Service").at("/spec/selector" + label).asText()).isEqualTo(name);
    assertThat(only("Service").at("/spec/ports/0/port")).isEqualTo(port.get("containerPort"));
    JsonNode policy = policy("experiment-etl-serve");
    assertThat(policy.at("/podSelector/matchLabels" + label).asText()).isEqualTo(name);
    assertThat(ports(policy.at("/ingress/0"))).containsExactly(port.get("containerPort").asInt());
    assertThat(policy.get("egress")).isEqualTo(policy("experiment-etl-tools").get("egress"));
    JsonNode monitor = monitor("experiment-etl-serve");
    assertThat(monitor.at("/selector/matchLabels" + label).asText()).isEqualTo(name);
    JsonNode endpoint = monitor.at("/podMetricsEndpoints/0");
    assertThat(endpoint.get("port").asText()).isEqualTo(port.get("name").asText());
    assertThat(endpoint.at("/authorization/credentials/key").asText()).isEqualTo("viewer");
    assertThat(endpoint.at("/tlsConfig/serverName"))
        .isEqualTo(only("Service").at("/metadata/name"));
  }

  private static JsonNode monitor(String name) {
    return all("PodMonitor").stream()
        .filter(each -> each.at("/metadata/name").asText().equals(name))
        .findFirst()
        .orElseThrow()
        .get("spec");
  }

  @Test
  void networkPoliciesAllowWhatTheConfigurationNames(@TempDir Path folder) throws IOException {
    JobConfig config = jobConfig(folder);
    Set<Integer> servers =
        new TreeSet<>(
            Set.of(53, config.source().port(), URI.create(config.clickhouse().url()).getPort()));
    Set<Integer> withApiServer = new TreeSet<>(servers);
    withApiServer.addAll(Set.of(443, 6443));
    int rest = Integer.parseInt(DeploymentFiles.flinkConf().get("rest.port"));
    int metrics = DeploymentFiles.metricsPort();

    JsonNode job = policy("experiment-etl");
    JsonNode tools = policy("experiment-etl-tools");
    assertThat(ports(job.at("/egress/1"))).isEqualTo(withApiServer);
    assertThat(ports(tools.at("/egress/1"))).isEqualTo(servers);
    assertThat(ports(tools.at("/egress/0"))).containsExactly(rest);
    assertThat(ports(job.at("/ingress/1"))).containsExactly(rest);
    assertThat(ports(job.at("/ingress/2"))).containsExactly(metrics);
  }

  private static JsonNode policy(String name) {
    return all("NetworkPolicy").stream()
        .filter(each -> each.at("/metadata/name").asText().equals(name))
        .findFirst()
        .orElseThrow()
        .get("spec");
  }

  private static Set<Integer> ports(JsonNode rule) {
    Set<Integer> ports = new TreeSet<>();
    rule.get("ports").forEach(port -> ports.add(port.get("port").asInt()));
    return ports;
  }

  @Test
  void policiesAndTheMonitorSelectPodsByTheirLabels() {
    String label = "app.kubernetes.io/name";
    String job = flink.at("/podTemplate/metadata/labels").get(label).asText();
    assertThat(policy("experiment-etl").at("/podSelector/matchLabels").get(label).asText())
        .isEqualTo(job);
    assertThat(monitor("experiment-etl").at("/selector/matchLabels").get(label).asText())
        .isEqualTo(job);
    for (JsonNode cronJob : all("CronJob")) {
      assertThat(cronJob.at("/spec/jobTemplate/spec/template/metadata/labels").get(label).asText())
          .isEqualTo(
              policy("experiment-etl-tools").at("/podSelector/matchLabels").get(label).asText());
    }
    JsonNode port = flink.at("/podTemplate/spec/containers/0/ports/0");
    assertThat(port.get("containerPort").asInt()).isEqualTo(DeploymentFiles.metricsPort());
    assertThat(monitor("experiment-etl").at("/podMetricsEndpoints/0/port").asText())
        .isEqualTo(port.get("name").asText());
  }
}
