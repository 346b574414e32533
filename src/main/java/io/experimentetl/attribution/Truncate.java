package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.SourceTable;

/**
 * A TRUNCATE of a source's table in a transaction whose commit has not arrived yet; a record of
 * operator state.
 */
public record Truncate(SourceTable table, Origin origin) {
  static Truncate of(Change change) {
    return new Truncate(change.table(), Origin.of(change));
  }
}
