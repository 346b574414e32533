package io.experimentetl.attribution;

import io.experimentetl.mapping.FactTable;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.model.EventRow;
import java.util.Set;
import java.util.stream.Collectors;

/** The tables of metric events whose rows may change: an update or a delete is no finding. */
final class MutableFacts {
  private final Set<String> names;

  MutableFacts(SourceMapping tables) {
    names =
        tables.facts().stream()
            .filter(FactTable::mutable)
            .map(FactTable::name)
            .collect(Collectors.toUnmodifiableSet());
  }

  /** Whether the event's row may change. */
  boolean contain(EventRow event) {
    return event.fact() != null && names.contains(event.fact());
  }
}
