package io.experimentetl.attribution;

import java.util.HashSet;
import java.util.Set;

/**
 * Ids of the experiments and variants that facts name and that have not arrived. When one of them
 * arrives, all users are searched for facts that wait for it. A row with another id needs no
 * search.
 */
final class MissingReferences {
  final Set<Long> experiments = new HashSet<>();
  final Set<Long> variants = new HashSet<>();

  /** Ids of the experiments that were deleted and have not come back. */
  final Set<Long> deletedExperiments = new HashSet<>();

  /** The same of variants. */
  final Set<Long> deletedVariants = new HashSet<>();

  /** Adds the ids of a checkpoint. */
  void addAll(AttributeProgress restored) {
    for (long id : restored.missingExperiments()) {
      experiments.add(id);
    }
    for (long id : restored.missingVariants()) {
      variants.add(id);
    }
    for (long id : restored.deletedExperiments()) {
      deletedExperiments.add(id);
    }
    for (long id : restored.deletedVariants()) {
      deletedVariants.add(id);
    }
  }
}
