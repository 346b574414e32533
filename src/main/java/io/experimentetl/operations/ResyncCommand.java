package io.experimentetl.operations;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code resync}. */
@Command(
    name = "resync",
    mixinStandardHelpOptions = true,
    description = {
      "Makes ClickHouse equal to PostgreSQL again after changes were lost: the replication slot was dropped, or the job's newest",
      "state is older than the slot. The job reads everything again into the database NAME_resync, and takes over the rows of NAME",
      "that are older than the source's retention. NAME can be read meanwhile. Then their tables are exchanged, the job continues,",
      "and the repaired rows are listed. The old tables stay in NAME_before_TIME until you drop it."
    })
public final class ResyncCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  private int parallelism;

  public ResyncCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    new Resync(options.deployment(), parallelism, Lines.to(spec.commandLine().getOut())).run();
    return 0;
  }
}
