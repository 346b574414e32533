package io.experimentetl.local;

import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How a platform was started.
 *
 * @param ownPostgres false: named by a URL
 * @param ownClickHouse false: named by a URL
 * @param ownFlink false: named by a URL
 * @param options what was given on the command line or by ETL_ variables
 * @param overrides the variables of the environment that override keys of the job's configuration,
 *     which the JobManager got
 */
record Launch(
    boolean ownPostgres,
    boolean ownClickHouse,
    boolean ownFlink,
    SortedMap<String, String> options,
    SortedMap<String, String> overrides) {

  /** Those of an environment; secrets are none. */
  static SortedMap<String, String> overrides(Map<String, String> environment) {
    SortedMap<String, String> overrides = new TreeMap<>();
    environment.forEach(
        (name, value) -> {
          if (name.startsWith("EXPERIMENT_ETL_") && !name.endsWith("_PASSWORD")) {
            overrides.put(name, value);
          }
        });
    return overrides;
  }

  /**
   * The job reads its configuration in the JobManager, which has the environment of its own start.
   *
   * @throws PlatformException naming the variables that would be ignored
   */
  void requireSameOverrides(Map<String, String> environment) {
    SortedMap<String, String> here = overrides(environment);
    here.entrySet().removeAll(overrides.entrySet());
    if (!here.isEmpty()) {
      throw new PlatformException(
          String.join(", ", here.keySet())
              + " would have no effect: the job reads its configuration in the JobManager, which "
              + (ownFlink
                  ? "was started without. ./etl down, set it (or use --set KEY=VALUE) and ./etl up; or unset it"
                  : "is not the launcher's: set it in that process's environment, and unset it here"));
    }
  }
}
