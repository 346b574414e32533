package io.experimentetl;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The arguments of the job's main. Uses no class of Flink, so operations can use it without Flink.
 *
 * @param config the configuration file, as the JobManager reads it
 * @param resync whether to read everything again into a database next to the configured one
 * @param restatedMetric the metric to recompute
 */
public record JobArguments(Path config, boolean resync, Optional<String> restatedMetric) {
  /** Reads everything again into {@link #resyncDatabase}. */
  public static final String RESYNC = "--resync";

  /** Recomputes a metric. */
  public static final String RESTATE = "--restate";

  /** The job parameter that holds {@link #action} for the web UI and for operations. */
  public static final String ACTION = "experiment-etl.action";

  private static final String CONFIG = "--config";

  private static final String USAGE =
      """
      Usage: experiment-etl.jar --config FILE [--resync | --restate METRIC]
        --resync: starts without state, reads everything again into the database NAME_resync next to the configured
          one, NAME, and takes over the facts of NAME that are older than the source's retention. Run by the verb resync.
        --restate: starts from a savepoint and recomputes the days of a metric, from the day in its key since, from the
          raw rows in ClickHouse. The savepoint has no such metric, or another definition of it. Run by the verb restate.
      """;

  /**
   * Parses the arguments.
   *
   * @throws IllegalArgumentException with the usage
   */
  public static JobArguments parse(List<String> arguments) {
    boolean resync = arguments.size() == 3 && arguments.get(2).equals(RESYNC);
    boolean restate = arguments.size() == 4 && arguments.get(2).equals(RESTATE);
    if ((arguments.size() != 2 && !resync && !restate) || !arguments.get(0).equals(CONFIG)) {
      throw new IllegalArgumentException(USAGE);
    }
    return new JobArguments(
        Path.of(arguments.get(1)),
        resync,
        restate ? Optional.of(arguments.get(3)) : Optional.empty());
  }

  /**
   * The arguments after the configuration's: what distinguishes this start from an ordinary one.
   */
  public String action() {
    return resync ? RESYNC : restatedMetric.map(metric -> RESTATE + " " + metric).orElse("");
  }

  /** The database into which a resync of another one reads. */
  public static String resyncDatabase(String database) {
    return database + "_resync";
  }
}
