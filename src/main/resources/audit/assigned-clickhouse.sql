-- Users assigned at random to a variant of the experiment. If a user has several assignments, the earliest counts.
assigned AS
(
    SELECT
        a.experiment_id AS experiment_id,
        a.user_id AS user_id,
        a.variant_id AS variant_id,
        toUnixTimestamp64Micro(a.assigned_at) AS assigned_at,
        toUnixTimestamp64Micro(a.enrolled_at) AS enrolled_at,
        a.assigned_sequence AS assigned_sequence,
        ifNull(toUnixTimestamp64Micro(e.starts_at), -9000000000000000000) AS starts_at,
        ifNull(toUnixTimestamp64Micro(e.ends_at), 9000000000000000000) AS ends_at,
        toString(e.zone) AS zone
    FROM
    (
        SELECT *
        FROM
        (
            SELECT *
            FROM assignments_processed
            WHERE _lsn <= ${bound}
            ORDER BY _version DESC
            LIMIT 1 BY experiment_id, user_id, id
        )
        WHERE _deleted = 0
        ORDER BY assigned_at, id
        LIMIT 1 BY experiment_id, user_id
    ) AS a
    INNER JOIN
    (
        SELECT *
        FROM experiments
        WHERE _lsn <= ${bound}
        ORDER BY _version DESC
        LIMIT 1 BY id
    ) AS e ON e.id = a.experiment_id
    INNER JOIN
    (
        SELECT *
        FROM variants
        WHERE _lsn <= ${bound}
        ORDER BY _version DESC
        LIMIT 1 BY id
    ) AS v ON v.id = a.variant_id AND v.experiment_id = a.experiment_id
    WHERE e._deleted = 0 AND v._deleted = 0 AND a.source NOT IN ('override', 'forced')
),
