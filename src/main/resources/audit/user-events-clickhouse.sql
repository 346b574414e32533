-- Each user's events in each experiment as of LSN ${bound}: tuples of time in microseconds since 1970, id, type, delivered variant and
-- properties. A row counts in its newest version; if a user sent an event id more than once, its earliest time counts. The rows of a user
-- are gathered and sorted once: event by event the same takes three times the processor time.
event AS
(
    SELECT
        experiment_id,
        user_id,
        arraySort(e -> (e.2, e.1, -e.6), groupArray((toUnixTimestamp64Micro(timestamp), event_id, toString(event_type), variant_id,
            ${properties}, toInt64(_version), _deleted))) AS versions,
        arrayFilter((e, before) -> e.7 = 0 AND (true, e.1, e.2) != before,
            versions, arrayShiftRight(arrayMap(e -> (true, e.1, e.2), versions), 1)) AS rows,
        arrayFilter((e, before) -> (true, e.2) != before,
            rows, arrayShiftRight(arrayMap(e -> (true, e.2), rows), 1)) AS events
    FROM events_processed
    WHERE _lsn <= ${bound}
    GROUP BY experiment_id, user_id
),
