package io.experimentetl.operations;

import java.io.File;
import java.util.Arrays;
import org.apache.flink.client.deployment.application.ApplicationClusterEntryPoint;
import org.apache.flink.client.program.PackagedProgram;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.runtime.entrypoint.ClusterEntrypoint;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.resourcemanager.StandaloneResourceManagerFactory;

/**
 * A JobManager in application mode: what {@code standalone-job.sh} starts. That script's own entry
 * point, in the artifact flink-container, is not in Maven Central.
 *
 * <p>Usage: {@code CONF_DIRECTORY JAR SAVEPOINT|none JOB_ARGUMENT…}
 */
public final class ApplicationClusterMain extends ApplicationClusterEntryPoint {
  /** The argument for a start without state. */
  static final String NO_SAVEPOINT = "none";

  private ApplicationClusterMain(Configuration configuration, PackagedProgram program) {
    super(configuration, program, StandaloneResourceManagerFactory.getInstance());
  }

  public static void main(String[] args) throws Exception {
    Configuration configuration = GlobalConfiguration.loadConfiguration(args[0]);
    SavepointRestoreSettings savepoint =
        args[2].equals(NO_SAVEPOINT)
            ? SavepointRestoreSettings.none()
            : SavepointRestoreSettings.forPath(args[2]);
    SavepointRestoreSettings.toConfiguration(savepoint, configuration);
    PackagedProgram program =
        PackagedProgram.newBuilder()
            .setJarFile(new File(args[1]))
            .setConfiguration(configuration)
            .setSavepointRestoreSettings(savepoint)
            .setArguments(Arrays.copyOfRange(args, 3, args.length))
            .build();
    configureExecution(configuration, program);
    ClusterEntrypoint.runClusterEntrypoint(new ApplicationClusterMain(configuration, program));
  }
}
