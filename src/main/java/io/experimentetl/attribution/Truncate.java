package io.experimentetl.attribution;

import io.experimentetl.model.Change;
import io.experimentetl.model.ChangeKind;
import io.experimentetl.model.SourceTable;

/**
 * A TRUNCATE of a source's table in a transaction whose commit has not arrived yet; a record of
 * operator state.
 *
 * @param byRetention the warehouse keeps the rows
 */
public record Truncate(SourceTable table, boolean byRetention, Origin origin) {
  static Truncate of(Change change) {
    return new Truncate(
        change.table(), change.kind() == ChangeKind.RETENTION_TRUNCATE, Origin.of(change));
  }
}
