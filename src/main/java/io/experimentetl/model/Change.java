package io.experimentetl.model;

/**
 * One change of one row of the source.
 *
 * @param sequenceNumber the change's place in commit order, given by the continuity step: strictly
 *     increasing, equal to the LSN where LSNs increase, else one more than the stamp before; 0
 *     until given
 * @param before null for READ and INSERT, and for UPDATE and DELETE of tables without REPLICA
 *     IDENTITY FULL
 * @param after null for DELETE
 */
public record Change(
    SourceTable table,
    ChangeKind kind,
    long sequenceNumber,
    SourcePosition position,
    SourceRow before,
    SourceRow after) {

  public Change withSequenceNumber(long newSequenceNumber) {
    return new Change(table, kind, newSequenceNumber, position, before, after);
  }
}
