package io.experimentetl.model;

/**
 * A row that could not be decoded. It becomes a finding; other rows are processed normally.
 *
 * @param subject the row by its primary key as far as it could be read; never its other values
 * @param eventId the event's id with the source's own id; null: not an event, or unreadable id
 * @param code {@link FindingCode#S_UNPARSEABLE}, {@link FindingCode#S_NULL_REQUIRED} or {@link
 *     FindingCode#S_INCOMPLETE_ROW}
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
