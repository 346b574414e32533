package io.experimentetl.operations;

import io.experimentetl.config.JobConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The job as one team deploys it: its databases, its cluster, its files, and what operations
 * remember about it.
 *
 * @param environment the environment variables from which the job reads overrides and passwords
 * @param ownServers the servers that serve this deployment alone
 */
public record Deployment(
    Databases databases,
    Cluster cluster,
    Files files,
    DeploymentMemory memory,
    Map<String, String> environment,
    Set<Server> ownServers) {

  /** A server that may serve others too. */
  public enum Server {
    /** Its slots are a fixed number, and all are free for the job. */
    FLINK,
    /** Its tables may be emptied. */
    CLICKHOUSE
  }

  /**
   * The Flink cluster.
   *
   * @param savepointDirectory a URI; empty: the cluster's execution.checkpointing.savepoint-dir
   * @param applicationDeadline how long to wait until a cluster in application mode is deployed
   */
  public record Cluster(
      FlinkEndpoint flink, Optional<String> savepointDirectory, Duration applicationDeadline) {}

  /**
   * The files that a submission needs.
   *
   * @param jar the shaded job jar, on this machine
   * @param config the job's configuration, on this machine
   * @param configOnCluster the path of the same file for the JobManager
   */
  public record Files(Path jar, Path config, String configOnCluster) {
    /**
     * The JobManager's path of a file beside, or below the folder of, the configuration.
     *
     * @param file on this machine
     */
    String onCluster(Path file) {
      if (file.equals(config)) {
        return configOnCluster;
      }
      Path folder = config.toAbsolutePath().normalize().getParent();
      Path absolute = file.toAbsolutePath().normalize();
      return absolute.startsWith(folder)
          ? Path.of(configOnCluster).resolveSibling(folder.relativize(absolute)).toString()
          : absolute.toString();
    }

    /** The same jar with another configuration, which the JobManager reads too. */
    Files withConfig(Path other) {
      return new Files(jar, other, onCluster(other));
    }
  }

  FlinkEndpoint flink() {
    return cluster.flink();
  }

  /** The configuration with which submit or redeploy started the running job; empty: unknown. */
  public Optional<JobConfig> runningConfig() {
    return memory.runningConfiguration().map(this::config);
  }

  /** The configuration in the job's file. */
  JobConfig config() {
    return config(files.config());
  }

  /** The configuration in a file, with the job's environment. */
  JobConfig config(Path file) {
    return JobConfig.load(file, environment);
  }

  /** The same deployment, with another configuration file. */
  Deployment withConfig(Path file) {
    return new Deployment(
        databases, cluster, files.withConfig(file), memory, environment, ownServers);
  }
}
