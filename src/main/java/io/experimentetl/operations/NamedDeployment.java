package io.experimentetl.operations;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A deployment on any servers, named by options; a picocli mixin. */
public final class NamedDeployment implements DeploymentOptions {
  private final Path jar;

  @Mixin private NamedServers servers;

  @Option(
      names = "--flink",
      paramLabel = "URL",
      description = "the JobManager's REST address, e.g. http://jobmanager:8081")
  private String flink;

  @Option(
      names = "--cluster-config",
      paramLabel = "PATH",
      description =
          "the JobManager's path of the file that --config names, where it differs from the path here")
  private String clusterConfig;

  @Option(
      names = "--state-directory",
      paramLabel = "DIR",
      description =
          "where to remember the running configuration, savepoints and an unfinished resync; the JobManager must be able to read it"
              + " (default: NAME-operations next to the configuration NAME.yaml)")
  private Path stateDirectory;

  @Option(
      names = "--cluster-state",
      paramLabel = "DIR",
      description =
          "the folder of this job's checkpoints and savepoints, by the path that the cluster knows; with it, submit finds the latest"
              + " after the JobManager was restarted, too")
  private Path clusterState;

  @Option(
      names = "--wait",
      paramLabel = "MINUTES",
      defaultValue = "30",
      description =
          "in application mode: how long to wait until the deployment has started the job (default: ${DEFAULT-VALUE})")
  private int waitMinutes;

  /**
   * Options for submissions of a jar.
   *
   * @param jar the shaded job jar
   */
  public NamedDeployment(Path jar) {
    this.jar = jar;
  }

  /** Whether the command line names a deployment. */
  public boolean isGiven() {
    return servers.areGiven() || flink != null;
  }

  @Override
  public Deployment deployment() {
    Path config =
        servers
            .configFile()
            .orElseThrow(() -> missing("--config FILE, the job's configuration"))
            .toAbsolutePath()
            .normalize();
    if (flink == null) {
      throw missing("--flink URL, the JobManager's REST address");
    }
    return new Deployment(
        servers,
        new Deployment.Cluster(
            new FlinkEndpoint(flink.replaceFirst("/+$", "")),
            Optional.empty(),
            Duration.ofMinutes(waitMinutes)),
        new Deployment.Files(
            jar, config, clusterConfig == null ? config.toString() : clusterConfig),
        new DeploymentMemory(
            stateDirectory == null ? beside(config) : stateDirectory.toAbsolutePath().normalize(),
            Optional.ofNullable(clusterState).map(folder -> folder.toAbsolutePath().normalize())),
        NamedServers.environment(),
        Set.of());
  }

  private static OperationsException missing(String option) {
    return new OperationsException("An option is missing: give " + option + ".");
  }

  private static Path beside(Path config) {
    String name = config.getFileName().toString().replaceFirst("\\.[^.]*$", "");
    return config.resolveSibling(name + "-operations");
  }
}
