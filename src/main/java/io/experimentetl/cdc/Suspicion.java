package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;

/**
 * A difference between two looks at the source's catalogue which may mean that rows changed without
 * reaching the stream. Only a comparison of the rows decides.
 *
 * @param table the captured table to compare
 * @param relation the table or the partition that differs
 * @param bound where the rows of that partition lie, as PostgreSQL prints it; null: anywhere in the
 *     table
 * @param kind what differs
 * @param reason a clause that continues the relation's name, such as "was rewritten"
 */
record Suspicion(
    SourceTable table, String relation, String bound, SuspicionKind kind, String reason) {

  /** One sentence for logs and findings. */
  String sentence() {
    return relation + " " + reason;
  }
}
