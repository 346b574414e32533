package io.experimentetl.quality;

import io.experimentetl.model.ExperimentRow;
import java.util.Set;

/** What can be wrong with an experiment. */
public final class ExperimentChecks {
  private static final Set<String> STATUSES =
      Set.of("DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "ARCHIVED");

  private ExperimentChecks() {}

  /** Whether the product knows the status: platforms add values in one migration and not in all. */
  public static boolean hasKnownStatus(ExperimentRow experiment) {
    return STATUSES.contains(experiment.status());
  }
}
