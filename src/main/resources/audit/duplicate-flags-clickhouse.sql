-- Events with one id: all but one carry D-DUP-EVENT or D-CONFLICTING-DUP; an id that occurs once carries neither. Nothing records
-- which arrived first, so the audit compares counts. The first may have left ClickHouse.
-- Columns: event id, experiment, user, day, rows, flagged rows, versions.
SELECT
    id,
    experiment,
    user,
    any(day_),
    countIf(live) AS rows,
    countIf(live AND flagged) AS flags,
    toString(groupArray(version)) AS evidence
FROM
(
    SELECT
        event_id AS id,
        experiment_id AS experiment,
        user_id AS user,
        timestamp AS time,
        toInt32(toDate32(time, 'UTC')) AS day_,
        max(_version) AS version,
        argMax(_deleted, _version) = 0 AS live,
        argMax(hasAny(inconsistencies, ['D-DUP-EVENT', 'D-CONFLICTING-DUP']), _version) AS flagged
    FROM events_processed
    WHERE cityHash64(event_id) IN
    (
        SELECT cityHash64(event_id) AS h
        FROM events_processed
        GROUP BY h
        HAVING count() > 1 OR max(hasAny(inconsistencies, ['D-DUP-EVENT', 'D-CONFLICTING-DUP']))
    )
    GROUP BY experiment_id, user_id, timestamp, event_id
)
GROUP BY experiment, user, id
HAVING (count() = 1 AND flags > 0 AND NOT has(${expired_events}, experiment)) OR flags + 1 < rows
ORDER BY id
LIMIT ${limit}
