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
      "Makes ClickHouse equal to PostgreSQL again after changes were lost.",
      "Changes are lost when the replication slot was dropped, or when the job's newest state is older than the slot. The job reads everything again into the database NAME_resync, and takes over the rows of NAME "
          + "that are older than the source's retention. NAME can be read meanwhile. Then their tables are exchanged, the job continues, "
          + "and the repaired rows are listed. The old tables stay in NAME_before_TIME until you drop it.",
      "With --table or --partition the running job compares that table or partition, and reads only the rows that differ."
    })
public final class ResyncCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  private int parallelism;

  @Option(
      names = "--table",
      paramLabel = "TABLE",
      description =
          "one table, while the job runs: experiments, variants, users, assignments or events, or the source's own name of one")
  private String table;

  @Option(
      names = "--partition",
      paramLabel = "PARTITION",
      description = "one partition of a table, while the job runs")
  private String partition;

  public ResyncCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    if (table != null || partition != null) {
      boolean agrees =
          new TableResync(options.deployment(), Lines.to(spec.commandLine().getOut()))
              .run(table, partition);
      return agrees ? 0 : 1;
    }
    new Resync(options.deployment(), parallelism, Lines.to(spec.commandLine().getOut())).run();
    return 0;
  }
}
