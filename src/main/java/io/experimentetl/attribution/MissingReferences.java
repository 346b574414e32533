package io.experimentetl.attribution;

import java.util.HashSet;
import java.util.Set;

/**
 * Experiments and variants that facts have named and that are not known: when one of them comes,
 * users must be looked through. Of one that nobody has named, none need be.
 */
final class MissingReferences {
  final Set<Long> experiments = new HashSet<>();
  final Set<Long> variants = new HashSet<>();
}
