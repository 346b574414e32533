package io.experimentetl.cdc;

import io.experimentetl.model.Change;
import java.util.Comparator;
import java.util.List;
import org.apache.kafka.common.TopicPartition;

/**
 * A record of one of Debezium's topics.
 *
 * @param commitBefore end of the commit before its transaction: the order in which transactions
 *     committed; -1 for the snapshot, 0 where Debezium had seen no commit yet
 * @param within the order in its transaction: the LSN; in the snapshot the table's place
 * @param key table and primary key
 * @param drifts columns that differ from their declaration, seen for the first time
 * @param change null: there is nothing to pass on (a tombstone)
 */
record DebeziumRecord(
    TopicPartition partition,
    long offset,
    long commitBefore,
    long within,
    String key,
    List<SchemaDrift> drifts,
    Change change) {

  /**
   * The order of PostgreSQL's log: the snapshot, then transactions by commit, rows by LSN. Debezium
   * makes a delete and an insert of a changed key; their topic partitions may differ.
   */
  static final Comparator<DebeziumRecord> IN_COMMIT_ORDER =
      Comparator.comparingLong(DebeziumRecord::commitBefore)
          .thenComparingLong(DebeziumRecord::within)
          .thenComparing(record -> !record.deletesRow());

  private boolean deletesRow() {
    return change != null && change.after() == null;
  }
}
