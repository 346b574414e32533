package io.experimentetl.operations;

import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** The environment variables that override keys of the job's configuration. */
public final class JobEnvironment {
  private JobEnvironment() {}

  /** The overrides of an environment, without passwords. */
  public static SortedMap<String, String> overrides(Map<String, String> environment) {
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
   * Refuses overrides that the job would not see: it reads its configuration in the JobManager,
   * which has the environment of its own start.
   *
   * @param here this process's environment
   * @param there the JobManager's
   * @param remedy the end of the sentence: "… whose environment …"
   * @throws OperationsException with the variables that would be ignored
   */
  public static void requireSame(
      Map<String, String> here, Map<String, String> there, String remedy) {
    SortedMap<String, String> ignored = overrides(here);
    ignored.entrySet().removeAll(overrides(there).entrySet());
    if (!ignored.isEmpty()) {
      throw new OperationsException(
          "%s would have no effect: the job reads its configuration in the JobManager, which %s"
              .formatted(String.join(", ", ignored.keySet()), remedy));
    }
  }
}
