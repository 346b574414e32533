-- Each user's events of these types in each experiment as of LSN ${bound}: tuples of time in microseconds since 1970, type, delivered
-- variant and properties. A row counts in its newest version; if a user sent an event id more than once, its earliest time counts. Nearly
-- every id has one row, and needs no look at others.
repeated AS
(
    SELECT cityHash64(event_id) AS id FROM events_processed WHERE _lsn <= ${bound} GROUP BY id HAVING count() > 1
),
event AS
(
    SELECT experiment_id, user_id, groupArray((at, type, variant, text)) AS events
    FROM
    (
        SELECT experiment_id, user_id, toUnixTimestamp64Micro(timestamp) AS at, toString(${kind}) AS type, variant_id AS variant,
            ${properties} AS text
        FROM events_processed
        WHERE _lsn <= ${bound} AND _deleted = 0 AND event_type IN (${event_types}) AND cityHash64(event_id) NOT IN (SELECT id FROM repeated)
        UNION ALL
        SELECT experiment_id, user_id, e.1, e.3, e.4, e.5
        FROM
        (
            SELECT
                experiment_id,
                user_id,
                arraySort(e -> (e.2, e.1, -e.6), groupArray((toUnixTimestamp64Micro(timestamp), event_id, toString(${kind}), variant_id,
                    ${properties}, toInt64(_version), _deleted))) AS versions,
                arrayFilter((e, before) -> e.7 = 0 AND (true, e.1, e.2) != before,
                    versions, arrayShiftRight(arrayMap(e -> (true, e.1, e.2), versions), 1)) AS rows,
                arrayFilter((e, before) -> (true, e.2) != before,
                    rows, arrayShiftRight(arrayMap(e -> (true, e.2), rows), 1)) AS earliest
            FROM events_processed
            WHERE _lsn <= ${bound} AND cityHash64(event_id) IN (SELECT id FROM repeated)
            GROUP BY experiment_id, user_id
        )
        ARRAY JOIN earliest AS e
        WHERE e.3 IN (${event_types})
    )
    GROUP BY experiment_id, user_id
),
