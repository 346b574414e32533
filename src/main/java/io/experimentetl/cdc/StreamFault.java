package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;

/**
 * A state of the source in which changes do not reach the stream, or not whole, for as long as it
 * lasts.
 *
 * @param table the captured table; null: all of them
 * @param relation the table or partition that has it
 * @param reason a clause that continues the relation's name
 * @param remedy what to do, one sentence
 * @param losesChanges changes are lost meanwhile, so the job must not go on by default
 * @param hidesRows the rows cannot be compared meanwhile, because the job's role does not see all
 */
record StreamFault(
    SourceTable table,
    String relation,
    String reason,
    String remedy,
    boolean losesChanges,
    boolean hidesRows) {

  /** One sentence for logs and findings. */
  String sentence() {
    return relation + " " + reason + ": " + remedy;
  }
}
