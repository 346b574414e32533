package io.experimentetl.postgres.pgoutput;

import java.util.List;

/**
 * Receives the messages of a stream in their order. Times are microseconds since 1970 in UTC, LSNs
 * are unsigned. Tuples are valid during the call only, and have the columns of their relation.
 */
public interface PgOutputHandler {

  /**
   * A transaction begins, which has committed.
   *
   * @param commitLsn LSN of its commit record
   * @param xid its id, unsigned
   */
  void begin(long commitLsn, long committedAt, int xid);

  /**
   * The transaction ends.
   *
   * @param endLsn the end of its commit record
   */
  void commit(long endLsn);

  /** A table whose rows follow, new or changed. Rows name the same instance until it changes. */
  void relation(Relation relation);

  void insert(Relation relation, Tuple row);

  /**
   * A row is updated.
   *
   * @param old null: it was not sent
   */
  void update(Relation relation, Tuple old, Tuple row);

  void delete(Relation relation, Tuple old);

  void truncate(List<Relation> relations);
}
