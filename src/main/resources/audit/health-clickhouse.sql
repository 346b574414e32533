-- The figures of experiment_health_daily, computed only from ClickHouse's raw rows and dimensions as of LSN ${bound}: the
-- increments of each day, per variant; of assigned users, per phase of the allocation. Times are microseconds since 1970.
WITH
${assigned}allocation AS
(
    SELECT experiment_id, arraySort(groupArray((phase, from_sequence, toUnixTimestamp64Micro(from_time)))) AS phases
    FROM
    (
        SELECT *
        FROM experiment_allocations
        WHERE _lsn <= ${bound}
        ORDER BY _version DESC
        LIMIT 1 BY experiment_id, phase
    )
    WHERE _deleted = 0 AND phase > 0
    GROUP BY experiment_id
),
${user_events}unit AS
(
    SELECT
        a.experiment_id AS experiment_id,
        a.user_id AS user_id,
        a.variant_id AS variant_id,
        a.zone AS zone_,
        a.assigned_at AS assigned_at_,
        a.assigned_sequence AS sequence_,
        arrayFilter(e -> e.1 BETWEEN a.starts_at AND a.ends_at, e.events) AS seen,
        arrayMap(x -> x.1, seen) AS exposures,
        arrayExists(x -> ifNull(x.3 != a.variant_id, false), seen) AS is_stray,
        if(empty(exposures), NULL, arrayMin(exposures)) AS exposed_at,
        ifNull(${entered_at}, -9223372036854775808) AS entered,
        entered BETWEEN a.starts_at AND a.ends_at AS is_exposed
    FROM assigned AS a
    LEFT JOIN event AS e ON e.experiment_id = a.experiment_id AND e.user_id = a.user_id
),
moment AS
(
    SELECT experiment_id, variant_id, zone_ AS zone, is_stray, m.1 AS at, m.2 AS what, if(what = 'assigned', phase_of_user, 0) AS phase_
    FROM
    (
        SELECT unit.experiment_id AS experiment_id, variant_id, zone_, is_stray,
            arrayLast(p -> if(sequence_ > 0, p.2 <= sequence_, p.2 = 0 AND p.3 <= assigned_at_), phases).1 AS phase_of_user,
            arrayConcat([(assigned_at_, 'assigned')], if(is_exposed, [(entered, 'exposed')], []),
                if(is_exposed, arrayMap(t -> (t, 'exposure'), exposures), [])) AS moments
        FROM unit
        LEFT JOIN allocation ON allocation.experiment_id = unit.experiment_id
    )
    ARRAY JOIN moments AS m
)
SELECT
    experiment_id,
    variant_id,
    toInt32(${day}) AS day_,
    countIf(what = 'assigned'),
    countIf(what = 'exposed'),
    countIf(what = 'exposed' AND is_stray),
    countIf(what = 'exposure'),
    phase_
FROM moment
GROUP BY experiment_id, variant_id, day_, phase_
