package io.experimentetl.model;

/**
 * A row that could not be decoded: it becomes a finding, and the rows around it go on.
 *
 * @param key the row's primary key as far as it could be read, never its other values
 * @param code why: {@link FindingCode#S_UNPARSEABLE} or {@link FindingCode#S_NULL_REQUIRED}
 * @param column the column that could not be read
 * @param reason one plain sentence without the row's values
 */
public record UnreadableRow(
    SourceTable table, String key, FindingCode code, String column, String reason)
    implements SourceRow {}
