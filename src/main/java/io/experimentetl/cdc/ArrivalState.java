package io.experimentetl.cdc;

/**
 * The state of {@link ArrivalOperator}, apart from the last change of each key.
 *
 * @param sequenceNumber the last one given
 * @param completeLsn every transaction whose commit ends at or before it was passed on
 * @param committedAt of the last row of the stream, microseconds since 1970 in UTC
 * @param snapshotDone a row of the stream has arrived; Debezium sends the snapshot before it
 */
public record ArrivalState(
    long sequenceNumber, long completeLsn, long committedAt, boolean snapshotDone) {
  static final ArrivalState START = new ArrivalState(0, 0, 0, false);
}
