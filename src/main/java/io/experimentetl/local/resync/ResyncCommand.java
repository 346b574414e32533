package io.experimentetl.local.resync;

import io.experimentetl.local.Etl;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code ./etl resync}. */
@Command(
    name = "resync",
    mixinStandardHelpOptions = true,
    description = {
      "Brings ClickHouse back to PostgreSQL where changes were lost: the replication slot was dropped, or the job's newest",
      "state is older than the slot. Everything is read again into the database NAME_resync, with what NAME keeps beyond the",
      "source's retention; NAME can be read meanwhile. Then their tables are exchanged, the job goes on, and the rows that",
      "were repaired are listed. The old tables stay in NAME_before_TIME until you drop it."
    })
public final class ResyncCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Etl.Place place;

  @Option(
      names = "--parallelism",
      paramLabel = "N",
      description = "default: the cluster's parallelism.default")
  private int parallelism;

  @Override
  public Integer call() {
    new Resync(
            place.running(),
            place.home(),
            place.directory(),
            place.jobJar(),
            parallelism,
            spec.commandLine().getOut())
        .run();
    return 0;
  }
}
