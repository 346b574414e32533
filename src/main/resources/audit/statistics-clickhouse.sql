-- experiment_daily_stats, computed only from ClickHouse's raw rows and dimensions as of LSN ${bound}: the newest versions of
-- rows whose changes are at or before it. Sums of values are integers in units of 10^-6, sums of squares in units of 10^-12.
-- Times are microseconds since 1970.
WITH
-- The terms that a metric sums: y, a ratio's denominator z, and the covariate x before the exposure. Each is a tuple (metric, role,
-- event type, property, whether it has one, first microsecond since the user's entry that counts, first that no longer counts,
-- cap, first day of entry that counts). Without a property an event counts as 1.
${terms} AS terms,
${assigned}-- If a user sent an event id more than once, its earliest time counts.
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
            groupArrayIf((at, event_type, ifNull(properties, ''), is_exposure, is_inside, false),
                is_exposure OR arrayExists(t -> t.3 = event_type AND (is_inside OR t.2 = 'x'), terms)),
            [(assumeNotNull(entered_at), '', '', false, false, true)]) AS moments
    FROM running
    GROUP BY experiment_id, user_id, variant_id, zone, assigned_at, enrolled_at, starts_at, ends_at
    HAVING entered_at BETWEEN starts_at AND ends_at AND (${crossovers_count} OR NOT is_crossover)
),
-- The user's events per term; the covariate belongs to the entry. The property's value is taken from the text that PostgreSQL
-- prints, because every JSON function reads numbers as floats: escapes are removed, the text is split at its quotes (even parts
-- are then the contents of strings), and the key is the string at depth 1 before a colon.
moment AS
(
    SELECT
        experiment_id,
        user_id,
        variant_id,
        zone,
        entered_at,
        arrayJoin(terms) AS t,
        arrayJoin(moments) AS e,
        if(t.2 = 'x', entered_at, e.1) AS at,
        t.2 = 'y' AND e.4 AS is_exposure,
        t.2 = 'y' AND e.6 AS is_entry,
        e.2 = t.3 AND (e.5 OR t.2 = 'x') AND e.1 - entered_at >= t.6 AND e.1 - entered_at < t.7 AS is_due,
        splitByChar('"', if(is_due AND t.5, replaceRegexpAll(e.3, '\\\\.', '\x01'), '')) AS parts,
        arrayCumSum(arrayMap(
            (part, i) -> if(i % 2 = 0, 0,
                toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))
                    - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))),
            parts, arrayEnumerate(parts))) AS depths,
        arrayLastIndex(
            (part, i, depth) -> i % 2 = 0 AND part = t.4 AND depth = 1 AND startsWith(parts[i + 1], ': '),
            parts, arrayEnumerate(parts), depths) AS key_at,
        if(key_at = 0, '', extract(parts[key_at + 1], '^: ([0-9]+(?:\\.[0-9]+)?)(?:, |\\})')) AS number,
        splitByChar('.', number) AS digits,
        is_due AND (NOT t.5 OR length(digits[1]) BETWEEN 1 AND 12) AS is_counted,
        multiIf(NOT is_counted, 0, NOT t.5, 1000000,
            toInt128(concat(digits[1], rightPad(substring(digits[2], 1, 6), 6, '0')))) AS value
    FROM unit
),
user_day AS
(
    SELECT
        experiment_id,
        variant_id,
        t.1 AS metric,
        t.8 AS cap,
        user_id,
        toInt32(${day}) AS day,
        countIf(is_exposure) AS exposures,
        countIf(is_counted AND t.2 = 'y') AS events,
        countIf(is_counted AND t.2 = 'z') AS other_events,
        toInt256(sumIf(value, t.2 = 'y' AND t.5)) AS given,
        toInt256(sumIf(value, t.2 = 'y')) AS y,
        toInt256(sumIf(value, t.2 = 'z')) AS z,
        toInt256(sumIf(value, t.2 = 'x')) AS x,
        max(is_entry) AS is_new
    FROM moment
    WHERE (is_exposure OR is_entry OR is_due) AND toInt32(${entered_day}) >= t.9
    GROUP BY experiment_id, variant_id, metric, cap, user_id, day
),
-- A user's totals after the day (1) and before it (0).
user_total AS
(
    SELECT
        *,
        sum(events) OVER until_now - events AS earlier_events,
        least(sum(y) OVER until_now, cap) AS y1,
        least(sum(y) OVER until_now - y, cap) AS y0,
        sum(z) OVER until_now AS z1,
        z1 - z AS z0,
        least(sum(x) OVER (PARTITION BY experiment_id, metric, user_id), cap) AS x1
    FROM user_day
    WINDOW until_now AS (PARTITION BY experiment_id, metric, user_id ORDER BY day ROWS UNBOUNDED PRECEDING)
)
SELECT
    experiment_id,
    variant_id,
    metric,
    day,
    toString(sum(exposures)) AS exposures_,
    toString(countIf(exposures > 0 OR events > 0 OR other_events > 0)) AS active_users_,
    toString(countIf(events > 0)) AS converting_users_,
    toString(sum(events)) AS events_,
    toString(sum(given)) AS value_sum_,
    toString(countIf(is_new)) AS new_users_,
    toString(countIf(events > 0 AND earlier_events = 0)) AS new_converters_,
    toString(sum(y1 - y0)) AS d_sum_,
    toString(sum(y1 * y1 - y0 * y0)) AS d_sum_sq_,
    toString(sum(z1 - z0)) AS d_den_sum_,
    toString(sum(z1 * z1 - z0 * z0)) AS d_den_sum_sq_,
    toString(sum(y1 * z1 - y0 * z0)) AS d_num_den_,
    toString(sumIf(x1, is_new)) AS d_x_sum_,
    toString(sumIf(x1 * x1, is_new)) AS d_x_sum_sq_,
    toString(sum(x1 * y1 - x1 * y0)) AS d_xy_
FROM user_total
WHERE exposures > 0 OR events > 0 OR other_events > 0 OR is_new
GROUP BY experiment_id, variant_id, metric, day
