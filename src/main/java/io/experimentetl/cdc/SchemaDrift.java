package io.experimentetl.cdc;

import io.experimentetl.model.Finding;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.Subject;

/**
 * A declared column that is missing from the source's table or has another type. The table's rows
 * are still read; the drift is reported as {@link FindingCode#S_SCHEMA_DRIFT}.
 *
 * @param table its name at the source
 * @param column its name at the source
 * @param reason one sentence without a row's values
 * @param seenAt commit time of the change with which it was seen, microseconds since 1970 in UTC
 */
public record SchemaDrift(String table, String column, String reason, long seenAt) {

  /**
   * The finding about it.
   *
   * @param sequenceNumber of the change before it: a drift is no change and has none of its own
   */
  Finding finding(long sequenceNumber) {
    return Finding.opened(FindingCode.S_SCHEMA_DRIFT, Subject.column(table, column))
        .detail(reason)
        .at(seenAt, 0, RowVersion.ofSequenceNumber(sequenceNumber));
  }
}
