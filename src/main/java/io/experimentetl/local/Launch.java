package io.experimentetl.local;

import io.experimentetl.operations.JobEnvironment;
import java.util.Map;
import java.util.SortedMap;

/**
 * How a platform was started.
 *
 * @param ownPostgres false: named by a URL
 * @param ownClickHouse false: named by a URL
 * @param ownFlink false: named by a URL
 * @param options the options of the command line or of ETL_ variables
 * @param overrides the JobManager's environment variables that override keys of the job's
 *     configuration
 */
record Launch(
    boolean ownPostgres,
    boolean ownClickHouse,
    boolean ownFlink,
    SortedMap<String, String> options,
    SortedMap<String, String> overrides) {

  /**
   * Refuses variables of the environment that would have no effect on this platform's job.
   *
   * @throws io.experimentetl.operations.OperationsException with the variables
   */
  void requireSameOverrides(Map<String, String> environment) {
    JobEnvironment.requireSame(
        environment,
        overrides,
        ownFlink
            ? "was started without them. Run ./etl down, set them (or use --set KEY=VALUE) and run ./etl up; or unset them"
            : "has another environment: set them there, and unset them here");
  }
}
