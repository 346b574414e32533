-- Compares data_inconsistencies with the rows in ClickHouse. Columns: the violation (1: a finding is missing or not open;
-- 2: a finding is open that should not be), code, subject kind, subject key, reason, evidence.
WITH
-- Commit time up to which everything is visible, microseconds since 1970; NULL: nothing after the initial load is visible yet.
(SELECT toUnixTimestamp64Micro(committed_at) FROM etl_progress) AS visible_until,
-- Findings on younger rows may still be on their way: the grace period plus the time that checkpoints and heartbeats take.
visible_until - ${on_its_way} AS reported_until,
finding AS
(
    SELECT code, toString(subject_kind) AS kind, subject_key AS key, status, experiment_id, user_id, event_id,
        toUnixTimestamp64Micro(event_timestamp) AS at, _version
    FROM data_inconsistencies FINAL
),
event AS
(
    SELECT event_id, toUnixTimestamp64Micro(timestamp) AS at, experiment_id, user_id, variant_id, toString(event_type) AS event_type, day,
        inconsistencies, _version
    FROM events_processed FINAL
),
assigned AS
(
    SELECT id, experiment_id, user_id, variant_id, inconsistencies, created_at = updated_at AS is_untouched, _version
    FROM assignments_processed FINAL
),
-- The codes that the rows carry, each with the subject of its finding.
carried AS
(
    SELECT
        toString(code_) AS code,
        multiIf(
            code = 'R-ORPHAN-EXPERIMENT', ('experiment', toString(experiment_id)),
            code = 'R-ORPHAN-VARIANT', ('variant', ifNull(toString(variant_id), '')),
            code = 'R-ORPHAN-USER', ('user', user_id),
            code = 'R-ORPHAN-ASSIGNMENT', ('experiment-user', concat(toString(experiment_id), '/', user_id)),
            code = 'T-LATE', ('experiment-day', concat(toString(experiment_id), '/', toString(day))),
            code = 'S-UNKNOWN-EVENT-TYPE', ('event-type', event_type),
            ('event', concat(toString(event_id), '@', toString(at)))) AS subject,
        concat('event ', toString(event_id)) AS carrier,
        _version AS version
    FROM (SELECT * FROM event WHERE notEmpty(inconsistencies))
    ARRAY JOIN arrayFilter(c -> c != 'C-UPDATE-IMMUTABLE', inconsistencies) AS code_
    UNION ALL
    SELECT
        toString(code_) AS code,
        multiIf(
            code = 'R-ORPHAN-EXPERIMENT', ('experiment', toString(experiment_id)),
            code = 'R-ORPHAN-VARIANT', ('variant', toString(variant_id)),
            code = 'R-ORPHAN-USER', ('user', user_id),
            ('assignment', toString(id))) AS subject,
        concat('assignment ', toString(id)) AS carrier,
        _version AS version
    FROM assigned
    ARRAY JOIN arrayFilter(c -> c != 'A-REASSIGNED', inconsistencies) AS code_
),
experiment AS
(
    SELECT id, ifNull(toUnixTimestamp64Micro(starts_at), -9223372036854775808) AS starts,
        ifNull(toUnixTimestamp64Micro(ends_at), 9223372036854775807) AS ends
    FROM experiments FINAL
),
-- If a user has several assignments, the earliest counts.
counting AS
(
    SELECT experiment_id, user_id, variant_id, source, assigned_at, enrolled_at
    FROM assignments_processed FINAL
    ORDER BY assigned_at, id
    LIMIT 1 BY experiment_id, user_id
),
member AS
(
    SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, a.variant_id AS variant_id, a.assigned_at AS assigned_at,
        a.enrolled_at AS enrolled_at, e.starts AS starts, e.ends AS ends
    FROM
    (
        SELECT experiment_id, user_id, variant_id, assigned_at, enrolled_at FROM counting WHERE source NOT IN ('override', 'forced')
    ) AS a
    INNER JOIN (SELECT id, experiment_id FROM variants FINAL) AS v ON v.id = a.variant_id AND v.experiment_id = a.experiment_id
    INNER JOIN experiment AS e ON e.id = a.experiment_id
),
-- Users of the population with exposures in more than one variant, from the rows alone. The earliest row of an event id counts.
exposed_elsewhere AS
(
    SELECT cityHash64(x.event_id)
    FROM (SELECT experiment_id, user_id, event_id, variant_id FROM events_processed FINAL
        WHERE event_type = ${exposure} AND variant_id IS NOT NULL) AS x
    INNER JOIN member AS m ON m.experiment_id = x.experiment_id AND m.user_id = x.user_id
    WHERE x.variant_id != m.variant_id
),
crossover AS
(
    SELECT m.experiment_id AS experiment_id, m.user_id AS user_id
    FROM member AS m
    INNER JOIN
    (
        SELECT experiment_id, user_id, event_id, min(timestamp) AS earliest,
            argMin((toString(event_type), variant_id), timestamp) AS content
        FROM events_processed FINAL
        WHERE cityHash64(event_id) IN (exposed_elsewhere)
        GROUP BY experiment_id, user_id, event_id
        HAVING content.1 = ${exposure} AND content.2 IS NOT NULL
    ) AS x ON x.experiment_id = m.experiment_id AND x.user_id = m.user_id
    WHERE toUnixTimestamp64Micro(x.earliest) BETWEEN m.starts AND m.ends AND x.content.2 != m.variant_id
        AND ifNull(toUnixTimestamp64Micro(${entered_at}), -9223372036854775808) BETWEEN m.starts AND m.ends
    GROUP BY experiment_id, user_id
),
-- Users whose enrolment time differs from their first exposure.
enrolled AS
(
    SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, toUnixTimestamp64Micro(a.enrolled_at) AS enrolled_at,
        e.starts AS starts, e.ends AS ends
    FROM (SELECT experiment_id, user_id, enrolled_at FROM counting WHERE enrolled_at IS NOT NULL) AS a
    INNER JOIN experiment AS e ON e.id = a.experiment_id
),
enrolled_elsewhere AS
(
    SELECT n.experiment_id AS experiment_id, n.user_id AS user_id
    FROM enrolled AS n
    INNER JOIN
    (
        SELECT experiment_id, user_id, toUnixTimestamp64Micro(min(timestamp)) AS earliest, argMin(event_type, timestamp) AS type
        FROM events_processed FINAL
        WHERE (experiment_id, user_id) IN (SELECT experiment_id, user_id FROM enrolled)
        GROUP BY experiment_id, user_id, event_id
        HAVING type = ${exposure}
    ) AS x ON x.experiment_id = n.experiment_id AND x.user_id = n.user_id
    WHERE x.earliest BETWEEN n.starts AND n.ends
    GROUP BY experiment_id, user_id
    HAVING abs(any(n.enrolled_at) - min(x.earliest)) > ${enrolment_tolerance}
),
-- From the last day's row, which covers all users assigned so far.
mismatch AS
(
    SELECT experiment_id, srm_p AS p,
        srm_p < ${srm_p} AND arraySum(expected_users) >= ${srm_users} * arrayCount(e -> e > 0, expected_users) AND srm_df > 0 AS is_open
    FROM experiment_health_daily FINAL
    ORDER BY day DESC
    LIMIT 1 BY experiment_id
),
-- Whole experiments, from the last day's row, which is current.
running AS
(
    SELECT id, toString(status) AS status, toString(experiments.zone) AS zone,
        ifNull(toUnixTimestamp64Micro(starts_at), -9000000000000000000) AS starts,
        ifNull(toUnixTimestamp64Micro(ends_at), 9000000000000000000) AS ends,
        toUnixTimestamp64Micro(_committed_at) AS changed
    FROM experiments FINAL
),
newest AS
(
    SELECT experiment_id, variant_ids, assigned_users, exposed_users, expected_users, crossover_users, arraySum(exposed_users) AS exposed
    FROM experiment_health_daily FINAL
    WHERE experiment_id IN (SELECT id FROM running)
    ORDER BY day DESC
    LIMIT 1 BY experiment_id
),
lacking AS
(
    SELECT experiment_id, variant_id
    FROM
    (
        SELECT experiment_id, variant_ids, assigned_users, exposed_users, expected_users, arraySum(expected_users) * (1 - 1e-9) AS all_expected,
            arraySum(arrayMap((n, e) -> if(e > 0, n, 0), assigned_users, expected_users)) AS all_assigned,
            arraySum(arrayMap((n, e) -> if(e > 0, n, 0), exposed_users, expected_users)) AS all_exposed
        FROM newest
    )
    ARRAY JOIN variant_ids AS variant_id, assigned_users AS assigned_, exposed_users AS exposed_, expected_users AS expected
    WHERE expected > 0 AND ((assigned_ = 0 AND all_assigned * expected >= ${variant_users} * all_expected)
        OR (exposed_ = 0 AND all_exposed * expected >= ${variant_users} * all_expected))
),
unentered AS
(
    SELECT r.id AS id, greatest(r.starts, r.changed) AS since
    FROM running AS r
    LEFT JOIN newest AS n ON n.experiment_id = r.id
    WHERE r.status = 'ACTIVE' AND n.exposed = 0 AND visible_until BETWEEN r.starts AND r.ends
),
metric_totals AS
(
    SELECT experiment_id, toString(metric) AS name, variant_id, sum(events) AS all_events, sum(new_converters) AS converters,
        toFloat64(sum(d_sum)) AS total, toFloat64(sum(d_sum_sq)) AS squares
    FROM (SELECT * FROM experiment_daily_stats FINAL)
    WHERE experiment_id IN (SELECT id FROM running)
    GROUP BY experiment_id, name, variant_id
),
silent AS
(
    SELECT experiment_id, m.1 AS name, m.2 AS has_delay
    FROM (SELECT n.experiment_id AS experiment_id, n.exposed AS exposed, e.key AS experiment_key
        FROM newest AS n INNER JOIN (SELECT id, key FROM experiments FINAL) AS e ON e.id = n.experiment_id)
    ARRAY JOIN ${metrics} AS m
    WHERE exposed >= ${metric_users} AND m.4 != '' AND match(experiment_key, m.4)
        AND (experiment_id, m.1) NOT IN (SELECT experiment_id, name FROM metric_totals WHERE all_events > 0)
),
outlier AS
(
    -- With sum S and sum of squares Q the greatest user's share is at least Q/S^2 and at most sqrt(Q)/S: between them both are right.
    SELECT experiment_id, name, max(squares / total / total) >= ${outlier_share} AS is_certain
    FROM metric_totals
    WHERE converters >= 100 AND total > 0 AND sqrt(squares) / total >= ${outlier_share} * (1 - 1e-12)
        AND name IN (SELECT m.1 FROM (SELECT arrayJoin(${metrics}) AS m) WHERE m.3 = 1)
    GROUP BY experiment_id, name
),
-- A day that ended at least an hour ago, compared with the seven days before it: unusual when below half, or above twice, both
-- their median and the first of them. Experiments that have ended are not checked.
volume AS
(
    SELECT experiment_id,
        arrayMap(back -> arraySum(d -> if(d.1 = last_day - back, d.2, 0), days), [7, 6, 5, 4, 3, 2, 1]) AS before,
        arraySum(d -> if(d.1 = last_day, d.2, 0), days) AS exposures_,
        arraySort(before)[4] AS median,
        arrayMin(d -> if(d.2 > 0, d.1, 1000000), days) AS first_day,
        first_day < last_day - 7 AND median >= ${volume_exposures}
            AND (2 * exposures_ < least(median, before[1]) OR exposures_ > 2 * greatest(median, before[1])) AS is_unusual
    FROM
    (
        SELECT r.id AS experiment_id, toInt32(any(r.day_)) - 1 AS last_day, groupArray((toInt32(h.day), h.exposures)) AS days
        -- Materialized: if the day is a constant on one side of the join, ClickHouse may fail with ILLEGAL_COLUMN.
        FROM (SELECT id, ${day} AS day_ FROM (SELECT id, zone, materialize(assumeNotNull(visible_until)) - 3600000000 AS at FROM running
            WHERE status = 'ACTIVE' AND ends > visible_until)) AS r
        INNER JOIN (SELECT experiment_id, day, exposures FROM experiment_health_daily FINAL) AS h ON h.experiment_id = r.id
        GROUP BY r.id
    )
),
defect AS
(
    SELECT experiment_id, defect_ AS code
    FROM
    (
        SELECT r.id AS experiment_id, countIf(v.is_control) AS controls, sum(v.allocation_pct) AS allocation
        FROM running AS r
        LEFT JOIN (SELECT experiment_id, is_control, allocation_pct FROM variants FINAL) AS v ON v.experiment_id = r.id
        WHERE r.status != 'DRAFT'
        GROUP BY r.id
    )
    ARRAY JOIN arrayFilter(code_ -> code_ != '', [if(controls = 0, 'R-NO-CONTROL', ''), if(controls > 1, 'R-MULTI-CONTROL', ''),
        if(${percent} AND abs(allocation - 100) > 1e-6, 'R-ALLOCATION-SUM', '')]) AS defect_
),
-- Time of the last change of the experiment's row or of its variants.
redesigned AS
(
    SELECT experiment_id, max(at) AS at
    FROM
    (
        SELECT id AS experiment_id, toUnixTimestamp64Micro(_committed_at) AS at FROM experiments
        UNION ALL
        SELECT experiment_id, toUnixTimestamp64Micro(_committed_at) FROM variants
    )
    GROUP BY experiment_id
),
-- Conditions that hold for experiments: code, subject, reason, and whether a finding must exist by now.
symptom AS
(
    SELECT 'H-CROSSOVER-RATE' AS code, ('experiment', toString(experiment_id)) AS subject,
        concat(toString(crossover_users), ' of ', toString(exposed), ' exposed users') AS why, visible_until IS NOT NULL AS is_due
    FROM newest WHERE crossover_users >= ${crossover_users} AND crossover_users >= ${crossover_share} * exposed
    UNION ALL
    SELECT 'H-MISSING-VARIANT', ('experiment-variant', concat(toString(experiment_id), '/', toString(variant_id))), 'it has no users',
        visible_until IS NOT NULL
    FROM lacking
    UNION ALL
    SELECT 'H-NO-EXPOSURES', ('experiment', toString(id)), 'it has no exposed user', ifNull(since + ${no_exposures_after} < reported_until, 0)
    FROM unentered
    UNION ALL
    SELECT 'H-METRIC-MISSING', ('experiment-metric', concat(toString(experiment_id), '/', name)), 'no event was counted',
        visible_until IS NOT NULL AND has_delay = 0
    FROM silent
    UNION ALL
    SELECT 'H-OUTLIER', ('experiment-metric', concat(toString(experiment_id), '/', name)), 'one user holds much of the sum',
        visible_until IS NOT NULL AND is_certain
    FROM outlier
    UNION ALL
    SELECT 'H-VOLUME', ('experiment', toString(experiment_id)), 'the exposures per day', 1 FROM volume WHERE is_unusual
    UNION ALL
    SELECT d.code, ('experiment', toString(d.experiment_id)), 'its variants', ifNull(c.at < reported_until, 0)
    FROM defect AS d
    INNER JOIN redesigned AS c ON c.experiment_id = d.experiment_id
),
bot AS
(
    SELECT experiment_id, user_id, max(events_) AS most
    FROM (SELECT experiment_id, user_id, day, count() AS events_ FROM event WHERE NOT ${is_shared} GROUP BY experiment_id, user_id, day)
    GROUP BY experiment_id, user_id
    HAVING most > ${bot_events}
),
-- Rows of the dimensions with a time at an end of ClickHouse's range.
extreme AS
(
    SELECT 'experiment' AS kind, toString(id) AS key, _version FROM experiments FINAL
    WHERE hasAny([ifNull(toUnixTimestamp64Micro(starts_at), 0), ifNull(toUnixTimestamp64Micro(ends_at), 0),
        toUnixTimestamp64Micro(created_at), toUnixTimestamp64Micro(updated_at)], [${range_ends}])
    UNION ALL
    SELECT 'variant', toString(id), _version FROM variants FINAL
    WHERE hasAny([toUnixTimestamp64Micro(created_at), toUnixTimestamp64Micro(updated_at)], [${range_ends}])
    UNION ALL
    SELECT 'user', user_id, _version FROM users FINAL
    WHERE hasAny([toUnixTimestamp64Micro(created_at), toUnixTimestamp64Micro(updated_at)], [${range_ends}])
),
changed AS
(
    SELECT concat(toString(event_id), '@', toString(at)) AS key FROM event WHERE has(inconsistencies, 'C-UPDATE-IMMUTABLE')
),
reassigned AS
(
    -- The finding names the experiment; a later update of the assignment may have replaced the row that carries the code.
    SELECT DISTINCT experiment_id, user_id FROM assigned
    WHERE has(inconsistencies, 'A-REASSIGNED')
        OR (NOT is_untouched AND experiment_id IN (SELECT experiment_id FROM finding WHERE code = 'A-REASSIGNED'))
),
corrected AS
(
    SELECT DISTINCT experiment_id FROM finding WHERE code = 'C-UPDATE-IMMUTABLE'
),
due AS
(
    -- All corrected events of an experiment share a few findings.
    SELECT 'C-UPDATE-IMMUTABLE' AS code, ('experiment', toString(experiment_id)) AS subject, 'events carry it' AS why, '' AS evidence
    FROM event
    WHERE has(inconsistencies, 'C-UPDATE-IMMUTABLE') AND experiment_id NOT IN (SELECT assumeNotNull(experiment_id) FROM corrected)
    GROUP BY experiment_id
    UNION ALL
    SELECT code, subject, any(carrier) AS why, toString(max(version)) AS evidence FROM carried GROUP BY code, subject
    UNION ALL
    SELECT 'H-SRM', ('experiment', toString(experiment_id)), concat('experiment_health_daily, p = ', toString(p)), ''
    FROM mismatch WHERE is_open
    UNION ALL
    SELECT code, subject, why, '' FROM symptom WHERE is_due
    UNION ALL
    SELECT 'H-BOT', ('experiment-user', concat(toString(experiment_id), '/', user_id)), concat(toString(most), ' events on a day'), ''
    FROM bot
    UNION ALL
    SELECT 'T-OUT-OF-RANGE', (kind, key), 'its times', toString(_version) FROM extreme
),
open AS (SELECT * FROM finding WHERE status = 'OPEN'),
-- Rows and findings up to this version were written by a job that may have had other metrics.
(SELECT if(count() = 0, 0, max(_lsn) * 1024 + 1023) FROM data_inconsistencies WHERE code IN ('M-STARTED', 'M-ENDED')) AS metrics_changed
SELECT what, code, kind, key, why, evidence FROM
(
    SELECT 1 AS what, d.code AS code, d.subject.1 AS kind, d.subject.2 AS key, d.why AS why,
        concat(d.evidence, ' ', f.status, ' ', toString(f._version)) AS evidence
    FROM due AS d
    LEFT JOIN finding AS f ON f.code = d.code AND f.kind = d.subject.1 AND f.key = d.subject.2
    WHERE f.status != 'OPEN'
        -- A correction of the assignment or the experiment resolves them; the event keeps the code that it was written with.
        AND NOT (d.code IN ('T-EVENT-BEFORE-ASSIGNMENT', 'T-NOT-RUNNING', 'R-VARIANT-MISMATCH') AND f.status = 'RESOLVED')
    UNION ALL
    -- What the exposures of users show, and what is open about it: one join finds both kinds of difference, and reads the events once.
    SELECT if(c.holds, 1, 2), if(c.holds, c.code, f.code), 'experiment-user', if(c.holds, c.key, f.key),
        if(if(c.holds, c.code, f.code) = 'A-CROSSOVER', if(c.holds, 'the exposures', 'the exposures show one variant'),
            if(c.holds, 'enrolled_at and the exposures', 'enrolled_at and the exposures agree')),
        concat(f.status, ' ', toString(f._version))
    FROM
    (
        SELECT 'A-CROSSOVER' AS code, concat(toString(experiment_id), '/', user_id) AS key, true AS holds FROM crossover
        UNION ALL
        SELECT 'T-ENROLL-MISMATCH', concat(toString(experiment_id), '/', user_id), true FROM enrolled_elsewhere
    ) AS c
    FULL JOIN
    (
        SELECT toString(code) AS code, key, toString(status) AS status, _version FROM finding
        WHERE code IN ('A-CROSSOVER', 'T-ENROLL-MISMATCH') AND kind = 'experiment-user'
    ) AS f ON f.code = c.code AND f.key = c.key
    WHERE c.holds != (f.status = 'OPEN')
        -- The earliest exposures may have left ClickHouse: the others may still show a crossover.
        AND NOT (has(${expired_events}, toInt64OrZero(splitByChar('/', if(c.holds, c.key, f.key))[1]))
            AND (f.status = 'OPEN' OR c.code = 'T-ENROLL-MISMATCH'))
    UNION ALL
    SELECT 2, toString(f.code), f.kind, f.key, 'experiment_health_daily shows none', toString(f._version)
    FROM open AS f
    LEFT ANTI JOIN (SELECT experiment_id FROM mismatch WHERE is_open) AS m ON m.experiment_id = f.experiment_id
    WHERE f.code = 'H-SRM'
    UNION ALL
    SELECT 2, toString(f.code), f.kind, f.key, 'the rows say otherwise', toString(f._version)
    FROM open AS f
    WHERE f.code IN ('H-CROSSOVER-RATE', 'H-MISSING-VARIANT', 'H-NO-EXPOSURES', 'H-METRIC-MISSING', 'H-OUTLIER', 'H-VOLUME',
            'R-NO-CONTROL', 'R-MULTI-CONTROL', 'R-ALLOCATION-SUM')
        AND (toString(f.code), (f.kind, f.key)) NOT IN (SELECT code, subject FROM symptom)
        AND (f.code != 'H-VOLUME' OR f.experiment_id IN (SELECT experiment_id FROM volume))
    UNION ALL
    -- The missing reference exists now.
    SELECT 2, toString(f.code), f.kind, f.key, 'it is there now', toString(f._version)
    FROM open AS f
    WHERE (f.code = 'R-ORPHAN-EXPERIMENT'
            AND f.experiment_id IN (SELECT id FROM experiments FINAL))
        OR (f.code = 'R-ORPHAN-VARIANT' AND f.key IN (SELECT toString(id) FROM variants FINAL))
        OR (f.code = 'R-ORPHAN-USER' AND f.user_id IN (SELECT user_id FROM users FINAL))
        OR (f.code = 'R-ORPHAN-ASSIGNMENT'
            AND (f.experiment_id, f.user_id) IN (SELECT experiment_id, user_id FROM assigned))
    UNION ALL
    SELECT 2, toString(f.code), f.kind, f.key, 'its times are inside the range', toString(f._version)
    FROM open AS f
    WHERE f.code = 'T-OUT-OF-RANGE' AND f.kind IN ('experiment', 'variant', 'user')
        AND (f.kind, f.key) NOT IN (SELECT kind, key FROM extreme)
    UNION ALL
    -- An event that was never changed carries the codes of all its findings.
    SELECT 2, toString(f.code), f.kind, f.key,
        if(e.at = 0, 'there is no such event', concat('the event carries ', toString(e.inconsistencies))),
        concat(toString(f._version), ' ', toString(e._version))
    FROM open AS f
    LEFT JOIN
    (
        SELECT event_id, at, inconsistencies, _version FROM event
        WHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM open)
    ) AS e ON e.event_id = f.event_id AND e.at = f.at
    WHERE f.code IN ('R-VARIANT-NULL', 'R-VARIANT-MISMATCH', 'R-VARIANT-NOT-IN-EXPERIMENT', 'T-CONVERSION-BEFORE-EXPOSURE',
            'T-FUTURE', 'T-OUT-OF-RANGE', 'S-BAD-PROPERTY')
        AND f.kind = 'event'
        AND NOT has(e.inconsistencies, f.code)
        AND f.key NOT IN (SELECT key FROM changed)
        -- An event that was inserted again after its user's erasure is a new row: older findings belong to the erased row.
        AND intDiv(e._version, 1024) <= intDiv(f._version, 1024)
        AND (f.code != 'S-BAD-PROPERTY' OR f._version > metrics_changed OR e._version <= metrics_changed)
        AND (f.code != 'R-VARIANT-MISMATCH' OR (f.experiment_id, f.user_id) NOT IN (SELECT experiment_id, user_id FROM reassigned))
        -- Findings outlive rows that were deleted, were erased or have expired.
        AND (e.at != 0 OR NOT has(
            (SELECT groupUniqArray(cityHash64(event_id)) FROM events_processed
                WHERE cityHash64(event_id) IN (SELECT cityHash64(event_id) FROM open)),
            cityHash64(assumeNotNull(f.event_id))))
        AND (e.at != 0 OR ifNull(f.at, 0) > ${expired_before})
        AND (e.at != 0 OR ifNull(f.user_id, '') = '' OR f.user_id IN (SELECT user_id FROM users FINAL))
    UNION ALL
    SELECT 2, toString(f.code), f.kind, f.key, concat('the assignment carries ', toString(a.inconsistencies)),
        concat(toString(f._version), ' ', toString(a._version))
    FROM open AS f
    INNER JOIN (SELECT toString(id) AS key, inconsistencies, is_untouched, _version FROM assigned) AS a ON a.key = f.key
    WHERE f.code IN ('A-OVERRIDE', 'R-VARIANT-NOT-IN-EXPERIMENT', 'S-UNKNOWN-ENUM', 'T-FUTURE', 'T-OUT-OF-RANGE', 'T-ENROLLED-BEFORE-ASSIGNED')
        AND f.kind = 'assignment' AND a.is_untouched AND NOT has(a.inconsistencies, f.code)
)
ORDER BY what, code, kind, key
LIMIT ${limit}
