-- experiment_daily_stats, computed from nothing but ClickHouse's raw rows and dimensions as of LSN ${bound}: the newest
-- versions of rows whose changes stand at or before it. Sums of values are whole numbers of millionths, sums of squares of millionths of millionths.
-- Times are microseconds since 1970.
WITH
${metrics} AS metrics,
${assigned}-- An id that a user sent more than once counts at its earliest time.
event AS
(
    SELECT
        experiment_id,
        user_id,
        event_id,
        min(timestamp) AS earliest,
        argMin((toString(event_type), variant_id, properties), timestamp) AS content
    FROM
    (
        SELECT experiment_id, user_id, event_id, timestamp, event_type, variant_id, properties, _deleted
        FROM events_processed
        WHERE _lsn <= ${bound}
        ORDER BY experiment_id, user_id, timestamp, event_id, _version DESC
        LIMIT 1 BY experiment_id, user_id, timestamp, event_id
    )
    WHERE _deleted = 0
    GROUP BY experiment_id, user_id, event_id
),
running AS
(
    SELECT
        a.*,
        e.content.1 AS event_type,
        e.content.2 AS delivered,
        e.content.3 AS properties,
        toUnixTimestamp64Micro(e.earliest) AS at,
        event_type != '' AND at BETWEEN starts_at AND ends_at AS is_inside,
        is_inside AND event_type = ${exposure} AS is_exposure
    FROM assigned AS a
    LEFT JOIN event AS e ON e.experiment_id = a.experiment_id AND e.user_id = a.user_id
),
unit AS
(
    SELECT
        experiment_id,
        user_id,
        variant_id,
        zone,
        minOrNullIf(at, is_exposure) AS exposed_at,
        ifNull(${entered_at}, -9223372036854775808) AS entered_at,
        countIf(is_exposure AND delivered IS NOT NULL AND delivered != variant_id) > 0 AS is_crossover,
        arrayConcat(
            groupArrayIf((at, event_type, ifNull(properties, ''), is_exposure, false),
                is_exposure OR (is_inside AND has(arrayMap(m -> m.3, metrics), event_type))),
            [(assumeNotNull(entered_at), '', '', false, true)]) AS moments
    FROM running
    GROUP BY experiment_id, user_id, variant_id, zone, assigned_at, enrolled_at, starts_at, ends_at
    HAVING entered_at BETWEEN starts_at AND ends_at AND (${crossovers_count} OR NOT is_crossover)
),
-- What of a user's events matters to which metric. The property's value is found in the text as PostgreSQL prints it,
-- because every JSON function reads numbers as floats: escapes are taken out, the text is split at its quotes (even parts
-- are then the content of strings), and the key is the string at depth 1 that a colon follows.
moment AS
(
    SELECT
        experiment_id,
        user_id,
        variant_id,
        zone,
        entered_at,
        arrayJoin(metrics) AS m,
        arrayJoin(moments) AS e,
        e.1 AS at,
        e.4 AS is_exposure,
        e.5 AS is_entry,
        e.2 = m.3 AND at >= entered_at + m.5 AND (m.6 < 0 OR at < entered_at + m.5 + m.6) AS is_due,
        splitByChar('"', if(is_due AND m.2, replaceRegexpAll(e.3, '\\\\.', '\x01'), '')) AS parts,
        arrayCumSum(arrayMap(
            (part, i) -> if(i % 2 = 0, 0,
                toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))
                    - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))),
            parts, arrayEnumerate(parts))) AS depths,
        arrayFirstIndex(
            (part, i, depth) -> i % 2 = 0 AND part = m.4 AND depth = 1 AND startsWith(parts[i + 1], ': '),
            parts, arrayEnumerate(parts), depths) AS key_at,
        if(key_at = 0, '', extract(parts[key_at + 1], '^: ([0-9]+(?:\\.[0-9]+)?)(?:, |\\})')) AS number,
        splitByChar('.', number) AS digits,
        is_due AND (NOT m.2 OR length(digits[1]) BETWEEN 1 AND 12) AS is_counted,
        if(is_counted AND m.2, toInt128(concat(digits[1], rightPad(substring(digits[2], 1, 6), 6, '0'))), 0) AS value
    FROM unit
),
user_day AS
(
    SELECT
        experiment_id,
        variant_id,
        m.1 AS metric,
        m.2 AS is_mean,
        user_id,
        toInt32(${day}) AS day,
        countIf(is_exposure) AS exposures,
        countIf(is_counted) AS events,
        toInt256(sum(value)) AS value,
        max(is_entry) AS is_new
    FROM moment
    WHERE is_exposure OR is_entry OR is_due
    GROUP BY experiment_id, variant_id, metric, is_mean, user_id, day
),
history AS
(
    SELECT
        *,
        sum(events) OVER earlier AS earlier_events,
        sum(value) OVER earlier AS earlier_value
    FROM user_day
    WHERE exposures > 0 OR events > 0 OR is_new
    WINDOW earlier AS
        (PARTITION BY experiment_id, metric, user_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT
    experiment_id,
    variant_id,
    metric,
    day,
    toString(sum(exposures)) AS exposures_,
    toString(countIf(exposures > 0 OR events > 0)) AS active_users_,
    toString(countIf(events > 0)) AS converting_users_,
    toString(sum(events)) AS events_,
    toString(sum(value)) AS value_sum_,
    toString(countIf(is_new)) AS new_users_,
    toString(countIf(events > 0 AND earlier_events = 0)) AS new_converters_,
    toString(if(is_mean, sum(value), toInt256(1000000) * countIf(events > 0 AND earlier_events = 0))) AS d_sum_,
    toString(if(is_mean, sum(2 * earlier_value * value + value * value),
        toInt256(1000000000000) * countIf(events > 0 AND earlier_events = 0))) AS d_sum_sq_
FROM history
GROUP BY experiment_id, variant_id, metric, is_mean, day
