package io.experimentetl.local;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.experimentetl.operations.FlinkEndpoint;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.metrics.prometheus.LoopbackPrometheusReporterFactory;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessSpec;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils;
import org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint;
import org.apache.flink.runtime.jobmanager.JobManagerProcessSpec;
import org.apache.flink.runtime.jobmanager.JobManagerProcessUtils;
import org.apache.flink.runtime.taskexecutor.TaskManagerRunner;
import org.apache.flink.runtime.util.config.memory.ProcessMemoryUtils;

/**
 * A Flink standalone session cluster: a JobManager and TaskManagers in JVMs of their own,
 * configured by flink-conf with free ports and directories of their own. State (checkpoints,
 * savepoints) is below its directory.
 */
public final class FlinkCluster implements AutoCloseable {
  private static final Duration START_DEADLINE = Duration.ofSeconds(90);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(10);

  /** The Maven artifacts of the class path that make up a cluster: the content of flink-dist. */
  private static final Set<String> ARTIFACTS =
      Set.of(
          "async-profiler",
          "chill-java",
          "commons-cli",
          "commons-collections",
          "commons-compress",
          "commons-io",
          "commons-lang3",
          "commons-math3",
          "commons-text",
          "flink-annotations",
          "flink-clients",
          "flink-connector-datagen",
          "flink-connector-files",
          "flink-core",
          "flink-core-api",
          "flink-datastream",
          "flink-datastream-api",
          "flink-file-sink-common",
          "flink-hadoop-fs",
          "flink-java",
          "flink-metrics-core",
          "flink-metrics-prometheus",
          "flink-optimizer",
          "flink-queryable-state-client-java",
          "flink-rpc-akka-loader",
          "flink-rpc-core",
          "flink-runtime",
          "flink-runtime-web",
          "flink-shaded-asm-9",
          "flink-shaded-guava",
          "flink-shaded-jackson",
          "flink-shaded-netty",
          "flink-shaded-zookeeper-3",
          "flink-statebackend-rocksdb",
          "flink-streaming-java",
          "flink-table-common",
          "frocksdbjni",
          "javassist",
          "jsr305",
          "kryo",
          "log4j-1.2-api",
          "log4j-api",
          "log4j-core",
          "log4j-slf4j-impl",
          "lz4-java",
          "minlog",
          "objenesis",
          "slf4j-api",
          "snakeyaml-engine",
          "snappy-java");

  private final Path directory;
  private final Map<String, String> environment;
  private final Configuration configuration;
  private final String classPath;
  private final FlinkEndpoint endpoint;
  private final List<ServerProcess> taskManagers = new ArrayList<>();
  private ServerProcess jobManager;

  private FlinkCluster(
      Path directory,
      Path flinkConf,
      Map<String, String> overrides,
      Map<String, String> environment) {
    this.directory = directory.toAbsolutePath();
    this.environment = Map.copyOf(environment);
    this.classPath = classPath();
    configure(flinkConf, overrides);
    this.configuration = GlobalConfiguration.loadConfiguration(conf().toString());
    this.endpoint = new FlinkEndpoint("http://127.0.0.1:" + configuration.get(RestOptions.PORT));
  }

  /**
   * Starts a cluster.
   *
   * @param flinkConf the directory with config.yaml and log4j-console.properties
   * @param overrides configuration keys that win over config.yaml's
   * @param environment of all its processes; the place for the job's secrets
   */
  public static FlinkCluster start(
      Path directory,
      Path flinkConf,
      Map<String, String> overrides,
      Map<String, String> environment,
      int taskManagers) {
    FlinkCluster cluster = new FlinkCluster(directory, flinkConf, overrides, environment);
    cluster.launchJobManager();
    for (int i = 0; i < taskManagers; i++) {
      cluster.startTaskManager();
    }
    cluster.awaitTaskManagers(taskManagers);
    return cluster;
  }

  public FlinkEndpoint endpoint() {
    return endpoint;
  }

  /** The process ids of the living TaskManagers; index 0 is the oldest. */
  public List<Long> taskManagerPids() {
    return taskManagers.stream().filter(ServerProcess::isAlive).map(ServerProcess::pid).toList();
  }

  /** The JobManager and all TaskManagers. */
  List<ServerProcess> processes() {
    List<ServerProcess> processes = new ArrayList<>(taskManagers);
    processes.add(0, jobManager);
    return processes;
  }

  public long jobManagerPid() {
    return jobManager.pid();
  }

  /** The folder of savepoints, as a URI. */
  public String savepointDirectory() {
    return directory.resolve("savepoints").toUri().toString();
  }

  /** SIGKILL to the oldest living TaskManager. */
  public void killTaskManager() {
    ServerProcess victim =
        taskManagers.stream()
            .filter(ServerProcess::isAlive)
            .findFirst()
            .orElseThrow(() -> new IllegalStateException("no TaskManager is alive"));
    victim.kill9();
    taskManagers.remove(victim);
  }

  /** Starts one more TaskManager; {@link #awaitTaskManagers} waits for it. */
  public void startTaskManager() {
    String name =
        "taskmanager-"
            + (taskManagers.size() + 1)
            + "-"
            + ServerIdentity.randomHex().substring(0, 6);
    TaskExecutorProcessSpec spec = TaskExecutorProcessUtils.processSpecFromConfig(configuration);
    List<String> line =
        new ArrayList<>(
            jvm(
                name,
                ProcessMemoryUtils.generateJvmParametersStr(spec),
                CoreOptions.FLINK_TM_JVM_OPTIONS));
    line.addAll(List.of(TaskManagerRunner.class.getName(), "--configDir", conf().toString()));
    line.addAll(words(TaskExecutorProcessUtils.generateDynamicConfigsStr(spec)));
    line.addAll(List.of("-D", "taskmanager.resource-id=" + name));
    taskManagers.add(run("Flink " + name, name, line));
  }

  /** Waits until this many TaskManagers and their slots are registered with the JobManager. */
  public void awaitTaskManagers(int count) {
    jobManager.awaitHealthy(
        START_DEADLINE,
        () -> {
          for (ServerProcess process : taskManagers) {
            if (!process.isAlive()) {
              throw new PlatformException("a TaskManager ended:\n" + process.logTail());
            }
          }
          // A TaskManager is registered before its slots are.
          return endpoint.slots() >= count * configuration.get(TaskManagerOptions.NUM_TASK_SLOTS);
        });
  }

  /**
   * SIGKILL to the JobManager. A standalone cluster then forgets its jobs: start them from their
   * last checkpoint.
   */
  public void killJobManager() {
    jobManager.kill9();
  }

  /** Starts the killed JobManager again, on the same ports. */
  public void startJobManager() {
    launchJobManager();
    jobManager.awaitHealthy(START_DEADLINE, () -> endpoint.taskManagers() >= 0);
  }

  private void launchJobManager() {
    FreePort.requireFree(
        "Flink's JobManager",
        directory,
        configuration.get(JobManagerOptions.PORT),
        configuration.get(RestOptions.PORT));
    JobManagerProcessSpec spec = JobManagerMemory.of(configuration);
    List<String> line =
        new ArrayList<>(
            jvm(
                "jobmanager",
                JobManagerProcessUtils.generateJvmParametersStr(spec, configuration),
                CoreOptions.FLINK_JM_JVM_OPTIONS));
    line.addAll(
        List.of(
            StandaloneSessionClusterEntrypoint.class.getName(),
            "--configDir",
            conf().toString(),
            "--executionMode",
            "cluster"));
    line.addAll(words(JobManagerProcessUtils.generateDynamicConfigsStr(spec)));
    jobManager = run("Flink jobmanager", "jobmanager", line);
  }

  /** The folder of the processes' logs. */
  public Path logs() {
    return directory.resolve("log");
  }

  public void stop() {
    taskManagers.forEach(process -> process.stop(STOP_DEADLINE));
    taskManagers.clear();
    if (jobManager != null) {
      jobManager.stop(STOP_DEADLINE);
    }
  }

  @Override
  public void close() {
    stop();
  }

  private ServerProcess run(String name, String file, List<String> line) {
    return ServerProcess.start(
        new ServerProcess.Command(
            name, line, environment, directory, logs().resolve(file + ".out"), "TERM"));
  }

  private List<String> jvm(String name, String memory, ConfigOption<String> ownOptions) {
    List<String> line = new ArrayList<>();
    line.add(JavaCommand.java());
    line.addAll(words(memory));
    line.addAll(words(configuration.get(CoreOptions.FLINK_JVM_OPTIONS)));
    line.addAll(words(configuration.get(ownOptions)));
    line.add("-Dlog.file=" + logs().resolve(name + ".log"));
    // Standard output has the errors that never reach the log file; our messages quote it.
    line.add("-Detl.console.level=WARN");
    line.add("-Dlog4j.configurationFile=file:" + conf().resolve("log4j-console.properties"));
    line.add("-Djava.io.tmpdir=" + directory.resolve("tmp"));
    line.add("-cp");
    line.add(classPath + ":" + directory.resolve("lib"));
    return line;
  }

  private Path conf() {
    return directory.resolve("conf");
  }

  private void configure(Path flinkConf, Map<String, String> overrides) {
    try {
      for (String child :
          List.of("conf", "lib", "log", "tmp", "checkpoints", "savepoints", "upload")) {
        Files.createDirectories(directory.resolve(child));
      }
      Files.copy(
          flinkConf.resolve("log4j-console.properties"),
          conf().resolve("log4j-console.properties"),
          StandardCopyOption.REPLACE_EXISTING);
      copyReporter();
      Map<String, Object> keys = new TreeMap<>();
      flatten(
          "",
          new ObjectMapper(new YAMLFactory()).readTree(flinkConf.resolve("config.yaml").toFile()),
          keys);
      ServerIdentity identity = ServerIdentity.of(directory);
      Map<String, Object> here = new LinkedHashMap<>();
      here.put("jobmanager.rpc.address", "127.0.0.1");
      here.put("jobmanager.rpc.port", identity.port("rpc-port"));
      here.put("jobmanager.bind-host", "127.0.0.1");
      here.put("taskmanager.host", "127.0.0.1");
      here.put("taskmanager.bind-host", "127.0.0.1");
      here.put("rest.address", "127.0.0.1");
      here.put("rest.bind-address", "127.0.0.1");
      here.put("rest.port", identity.port("rest-port"));
      here.put("rest.profiling.dir", directory.resolve("tmp").toString());
      here.put("blob.server.port", 0);
      // A TaskManager that was started before its JobManager retries after this time, not after 10
      // s.
      here.put("cluster.registration.error-delay", "500 ms");
      here.put(
          "metrics.reporter.prom.factory.class", LoopbackPrometheusReporterFactory.class.getName());
      here.put("metrics.reporter.prom.port", prometheusPorts(identity));
      here.put("io.tmp.dirs", directory.resolve("tmp").toString());
      here.put("web.tmpdir", directory.resolve("tmp").toString());
      here.put("web.upload.dir", directory.resolve("upload").toString());
      here.put("execution.checkpointing.dir", directory.resolve("checkpoints").toUri().toString());
      here.put("execution.checkpointing.savepoint-dir", savepointDirectory());
      keys.putAll(here);
      keys.putAll(overrides);
      new ObjectMapper(new YAMLFactory()).writeValue(conf().resolve("config.yaml").toFile(), keys);
    } catch (IOException e) {
      throw new UncheckedIOException(
          "Flink's configuration can't be made in " + conf() + " from " + flinkConf, e);
    }
  }

  /** The cluster's class path has Flink's jars and this one class of ours with its inner ones. */
  private void copyReporter() throws IOException {
    Class<?> reporter = LoopbackPrometheusReporterFactory.class;
    String folder = reporter.getPackageName().replace('.', '/');
    Path target = Files.createDirectories(directory.resolve("lib").resolve(folder));
    for (String name : List.of(reporter.getSimpleName(), reporter.getSimpleName() + "$Reporter")) {
      try (InputStream bytes = reporter.getResourceAsStream(name + ".class")) {
        Files.copy(bytes, target.resolve(name + ".class"), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    // Flink takes only reporters that it finds in this way.
    Path services = Files.createDirectories(directory.resolve("lib/META-INF/services"));
    Files.writeString(services.resolve(MetricReporterFactory.class.getName()), reporter.getName());
  }

  /**
   * Each process takes the first free one; six are enough for a JobManager and five TaskManagers.
   */
  private static String prometheusPorts(ServerIdentity identity) {
    List<String> ports = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      ports.add(Integer.toString(identity.port("prometheus-port-" + i)));
    }
    return String.join(",", ports);
  }

  private static void flatten(String prefix, JsonNode node, Map<String, Object> into) {
    node.fields()
        .forEachRemaining(
            field -> {
              String key = prefix + field.getKey();
              if (field.getValue().isObject()) {
                flatten(key + ".", field.getValue(), into);
              } else {
                into.put(key, field.getValue().asText());
              }
            });
  }

  /** The class path of a cluster's processes. */
  public static String classPath() {
    Set<String> missing = new TreeSet<>(ARTIFACTS);
    List<Path> jars =
        JavaCommand.jars(
            file ->
                ARTIFACTS.stream()
                    .filter(artifact -> isVersionOf(artifact, file))
                    .peek(missing::remove)
                    .findFirst()
                    .isPresent());
    if (!missing.isEmpty()) {
      throw new PlatformException(
          "a Flink cluster needs these Maven artifacts on the class path: "
              + missing
              + "; run `mvn -DskipTests package`");
    }
    return jars.stream().map(Path::toString).collect(Collectors.joining(":"));
  }

  private static boolean isVersionOf(String artifact, String file) {
    return !file.endsWith("-tests.jar")
        && file.length() > artifact.length() + 1
        && file.startsWith(artifact + "-")
        && Character.isDigit(file.charAt(artifact.length() + 1));
  }

  private static List<String> words(String text) {
    return Arrays.stream(text.strip().split("\\s+")).filter(word -> !word.isEmpty()).toList();
  }
}
