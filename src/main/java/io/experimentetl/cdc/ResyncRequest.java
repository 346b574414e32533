package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;

/**
 * A request to read one table, or one partition of it, again while the job runs. It is a row of
 * {@code etl_heartbeat}, so that it needs no other connection to the job.
 *
 * @param writer the row's key
 * @param table null: the row names no captured table
 * @param relation the table or the partition
 */
public record ResyncRequest(String writer, SourceTable table, String relation) {
  private static final String PREFIX = "resync ";

  /** A pattern for LIKE that finds the rows. */
  static final String PATTERN = PREFIX + "%";

  /** The request for a table, or for a partition of it. */
  public static ResyncRequest of(SourceTable table, String relation) {
    return new ResyncRequest(PREFIX + table.tableName() + "/" + relation, table, relation);
  }

  /** The request that the row makes. */
  static ResyncRequest parse(String writer) {
    String[] names = writer.substring(PREFIX.length()).split("/", 2);
    return new ResyncRequest(
        writer, SourceTable.ofTableName(names[0]), names.length == 2 ? names[1] : names[0]);
  }
}
