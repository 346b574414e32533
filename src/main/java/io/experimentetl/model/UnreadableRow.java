package io.experimentetl.model;

/**
 * A row that could not be decoded. It becomes a finding, and the rows around it go on.
 *
 * @param subject the row by its primary key as far as it could be read; never its other values
 * @param eventId of an event, with the source's own id; null: no event, or its id could not be read
 * @param code {@link FindingCode#S_UNPARSEABLE} or {@link FindingCode#S_NULL_REQUIRED}
 * @param column the column that could not be read
 * @param reason one plain sentence without the row's values
 */
public record UnreadableRow(
    SourceTable table,
    Subject subject,
    EventId eventId,
    FindingCode code,
    String column,
    String reason)
    implements SourceRow {}
