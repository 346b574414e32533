-- experiment_daily_stats, computed only from ClickHouse's raw rows and dimensions as of LSN ${bound}: the newest versions of
-- rows whose changes are at or before it. Sums of values are integers in units of 10^-6, sums of squares in units of 10^-12.
-- Times are microseconds since 1970.
WITH
-- The terms that a metric sums: y, a ratio's denominator z, and the covariate x before the exposure. Each is a tuple (metric, role,
-- event type, property, whether it has one, first microsecond since the user's entry that counts, first that no longer counts,
-- cap, first day of entry that counts, number of the metric). Without a property an event counts as 1.
${terms} AS terms,
arrayDistinct(arrayMap(t -> t.3, terms)) AS types,
arrayDistinct(arrayMap(t -> t.3, arrayFilter(t -> t.2 = 'x', terms))) AS types_before,
arrayDistinct(arrayMap(t -> t.3, arrayFilter(t -> t.5, terms))) AS types_with_value,
arrayMap(t -> (t.10, t.1, t.8), terms) AS metrics,
-- The terms that an event of each type may concern: an exposure, and the entry (''), those of every metric.
arrayDistinct(arrayConcat(['', ${exposure}], types)) AS moment_types,
arrayMap(type -> arrayFilter(t -> t.3 = type OR (t.2 = 'y' AND type IN ('', ${exposure})), terms), moment_types) AS terms_of_types,
${assigned}${user_events}unit AS
(
    SELECT
        a.experiment_id AS experiment_id,
        -- A number for the user in the experiment: it groups and sorts faster than the names.
        sipHash128(a.experiment_id, a.user_id) AS unit_id,
        a.variant_id AS variant_id,
        a.zone AS zone,
        arrayFilter(e -> e.3 = ${exposure} AND e.1 BETWEEN a.starts_at AND a.ends_at, e.events) AS exposures,
        if(empty(exposures), NULL, arrayMin(x -> x.1, exposures)) AS exposed_at,
        ifNull(${entered_at}, -9223372036854775808) AS entered_at,
        arrayExists(x -> ifNull(x.4 != a.variant_id, false), exposures) AS is_crossover,
        -- Time, type, properties, whether the event is an exposure, and in the experiment's dates; last the entry.
        arrayConcat(
            arrayMap(m -> (m.1, m.3, if(has(types_with_value, m.3), ifNull(m.5, ''), ''), m.3 = ${exposure} AND m.1 BETWEEN a.starts_at AND a.ends_at,
                    m.1 BETWEEN a.starts_at AND a.ends_at, false),
                arrayFilter(m -> m.3 != '' AND ((m.1 BETWEEN a.starts_at AND a.ends_at AND (m.3 = ${exposure} OR has(types, m.3)))
                    OR has(types_before, m.3)), e.events)),
            [(assumeNotNull(entered_at), '', '', false, false, true)]) AS moments
    FROM assigned AS a
    LEFT JOIN event AS e ON e.experiment_id = a.experiment_id AND e.user_id = a.user_id
    WHERE entered_at BETWEEN a.starts_at AND a.ends_at AND (${crossovers_count} OR NOT is_crossover)
),
-- The user's events per term; the covariate belongs to the entry. The property's value is taken from the text that PostgreSQL
-- prints, because every JSON function reads numbers as floats: escapes are removed, the text is split at its quotes (even parts
-- are then the contents of strings), and the key is the string at depth 1 before a colon. Texts stand in an array that is empty where no
-- value is needed: a function of an array costs by its elements.
moment AS
(
    SELECT
        experiment_id,
        unit_id,
        variant_id,
        zone,
        t,
        if(t.2 = 'x', entered_at, e.1) AS at,
        t.2 = 'y' AND e.4 AS is_exposure,
        t.2 = 'y' AND e.6 AS is_entry,
        e.2 = t.3 AND (e.5 OR t.2 = 'x') AND e.1 - entered_at >= t.6 AND e.1 - entered_at < t.7 AS is_due,
        arrayMap(text -> splitByChar('"', replaceRegexpAll(text, '\\\\.', '\x01')), if(is_due AND t.5, [e.3], [])) AS texts,
        arrayMap(parts -> arrayCumSum(arrayMap(
            (part, i) -> if(i % 2 = 0, 0,
                toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))
                    - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))),
            parts, arrayEnumerate(parts))), texts) AS depths_of_texts,
        arrayMap((parts, depths) -> arrayLast((part, before, i, depth) -> i % 2 = 1 AND before = t.4 AND depth = 1 AND startsWith(part, ': '),
            parts, arrayShiftRight(parts, 1), arrayEnumerate(parts), arrayShiftRight(depths, 1)), texts, depths_of_texts) AS values,
        splitByChar('.', extract(values[1], '^: ([0-9]+(?:\\.[0-9]+)?)(?:, |\\})')) AS digits,
        is_due AND (NOT t.5 OR length(digits[1]) BETWEEN 1 AND 12) AS is_counted,
        multiIf(NOT is_counted, toInt128(0), NOT t.5, toInt128(1000000),
            toInt128(concat(digits[1], rightPad(substring(digits[2], 1, 6), 6, '0')))) AS value
    FROM
    (
        SELECT experiment_id, unit_id, variant_id, zone, entered_at, e, t
        FROM (SELECT experiment_id, unit_id, variant_id, zone, entered_at, e FROM unit ARRAY JOIN moments AS e)
        ARRAY JOIN terms_of_types[indexOf(moment_types, e.2)] AS t
    )
    WHERE toInt32(${entered_day}) >= t.9
),
user_day AS
(
    SELECT
        experiment_id,
        any(variant_id) AS variant_id,
        t.10 AS metric_number,
        unit_id,
        toInt32(${day}) AS day,
        countIf(is_exposure) AS exposures,
        countIf(is_counted AND t.2 = 'y') AS events,
        countIf(is_counted AND t.2 = 'z') AS other_events,
        sumIf(value, t.2 = 'y' AND t.5) AS given,
        sumIf(value, t.2 = 'y') AS y,
        sumIf(value, t.2 = 'z') AS z,
        sumIf(value, t.2 = 'x') AS x,
        max(is_entry) AS is_new
    FROM moment
    WHERE is_exposure OR is_entry OR is_due
    GROUP BY experiment_id, metric_number, unit_id, day
),
-- A user's totals after the day (1) and before it (0).
user_total AS
(
    SELECT
        *,
        arrayFirst(m -> m.1 = metric_number, metrics).3 AS cap,
        sum(events) OVER until_now - events AS earlier_events,
        toInt256(least(sum(y) OVER until_now, cap)) AS y1,
        toInt256(least(sum(y) OVER until_now - y, cap)) AS y0,
        toInt256(sum(z) OVER until_now) AS z1,
        z1 - z AS z0,
        toInt256(least(sum(x) OVER (PARTITION BY metric_number, unit_id), cap)) AS x1
    FROM user_day
    WINDOW until_now AS (PARTITION BY metric_number, unit_id ORDER BY day ROWS UNBOUNDED PRECEDING)
)
SELECT
    experiment_id,
    variant_id,
    arrayFirst(m -> m.1 = metric_number, metrics).2 AS metric,
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
GROUP BY experiment_id, variant_id, metric_number, day
