package io.experimentetl.model;

/**
 * In a row's place: a column of a table that the product does not know, does not find, or finds
 * with another type. It becomes the finding {@link FindingCode#S_SCHEMA_DRIFT}; the table's rows go
 * on.
 *
 * @param reason one plain sentence without a row's values
 */
public record DriftedColumn(SourceTable table, String column, String reason) implements SourceRow {

  /**
   * What tells of it: no row's change, so without a place in the stream.
   *
   * @param committedAt commit time of the change beside which it was seen, microseconds since 1970
   *     in UTC
   */
  public Change seenAt(long committedAt) {
    return new Change(
        table, ChangeKind.READ, 0, new SourcePosition(0, 0, 0, 0, committedAt), null, this);
  }
}
