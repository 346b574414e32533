package io.experimentetl.cdc;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the chunks of a snapshot share as long as their reader lives. A restart forgets it: then a
 * rewritten leaf is read once more. Every method is thread-safe.
 */
final class SnapshotMemory {
  private final DriftedColumns driftedColumns = new DriftedColumns();
  private final Map<Long, Long> readWhole = new HashMap<>();

  /** The columns that differ from their declaration and were not reported yet. */
  synchronized List<SchemaDrift> unreported(TupleRowReader columns, long seenAt) {
    return driftedColumns.of(columns, seenAt);
  }

  /**
   * Whether the caller must read the whole leaf, because it was rewritten into this file; false:
   * another one reads it, or has.
   */
  synchronized boolean claim(long leaf, long filenode) {
    Long before = readWhole.put(leaf, filenode);
    return before == null || before != filenode;
  }
}
