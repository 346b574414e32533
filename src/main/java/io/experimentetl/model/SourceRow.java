package io.experimentetl.model;

/**
 * A row of one of the source's tables, decoded. All timestamps are microseconds since 1970 in UTC.
 */
public sealed interface SourceRow
    permits ExperimentRow,
        VariantRow,
        UserRow,
        AssignmentRow,
        EventRow,
        OutboxRow,
        ReplicatedRow,
        HeartbeatRow,
        TransactionEnd,
        UnreadableRow {

  /** What the delete of the row needs of it: the key, and what findings about it may name. */
  default SourceRow ofDelete() {
    return this;
  }
}
