package io.experimentetl.attribution;

import java.util.HashSet;
import java.util.Set;

/**
 * Experiments and variants that facts refer to and that are not known. When one of them arrives,
 * the users are searched for such facts; for any other, no search is needed.
 */
final class MissingReferences {
  final Set<Long> experiments = new HashSet<>();
  final Set<Long> variants = new HashSet<>();

  /** Adds those of a checkpoint. */
  void addAll(AttributeProgress restored) {
    for (long id : restored.missingExperiments()) {
      experiments.add(id);
    }
    for (long id : restored.missingVariants()) {
      variants.add(id);
    }
  }
}
