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
-- Number, name, cap, and the first day of entry that counts.
arrayDistinct(arrayMap(t -> (t.10, t.1, t.8, t.9), arrayFilter(t -> t.2 = 'y', terms))) AS metrics,
-- The terms that an event of each type concerns. The entry and the exposures have no type; they belong to metric 0, which stands for all.
arrayConcat([''], types) AS moment_types,
arrayMap(type -> if(type = '', [('', '', '', '', false, toInt64(0), toInt64(0), toInt256(0), toInt32(0), toUInt16(0))],
    arrayFilter(t -> t.3 = type, terms)), moment_types) AS terms_of_types,
${assigned}${user_events}unit AS
(
    SELECT
        a.experiment_id AS experiment_id,
        -- A number for the user in the experiment: it groups and sorts faster than the names.
        sipHash128(a.experiment_id, a.user_id) AS unit_id,
        a.variant_id AS variant_id,
        a.zone AS zone,
        arrayFilter(e -> e.2 = ${exposure} AND e.1 BETWEEN a.starts_at AND a.ends_at, e.events) AS exposures,
        if(empty(exposures), NULL, arrayMin(x -> x.1, exposures)) AS exposed_at,
        ifNull(${entered_at}, -9223372036854775808) AS entered_at,
        toInt32(${entered_day}) AS entered_on,
        arrayExists(x -> ifNull(x.3 != a.variant_id, false), exposures) AS is_crossover,
        arrayMap(at -> toInt32(${day}), arrayMap(x -> x.1, exposures)) AS days_of_exposures,
        arrayReduce('sumMap', [days_of_exposures], [arrayMap(d -> toUInt64(1), days_of_exposures)]) AS exposures_of_days,
        exposures_of_days.1 AS exposed_days,
        -- What happened (0: an event of a term, 1: exposures, 2: the entry), when (microseconds, or the day), the event's type, its
        -- properties, whether it is in the experiment's dates, and the number of exposures.
        arrayConcat(
            arrayMap(m -> (0, m.1, m.2, m.4, m.1 BETWEEN a.starts_at AND a.ends_at, toUInt64(0)),
                arrayFilter(m -> (m.1 BETWEEN a.starts_at AND a.ends_at AND has(types, m.2)) OR has(types_before, m.2), ${events})),
            arrayMap((d, n) -> (1, toInt64(d), '', '', true, n), exposures_of_days.1, exposures_of_days.2),
            [(2, toInt64(entered_on), '', '', true, toUInt64(0))]) AS moments
    FROM assigned AS a
    LEFT JOIN event AS e ON e.experiment_id = a.experiment_id AND e.user_id = a.user_id
    ${shared_events}
    WHERE entered_at BETWEEN a.starts_at AND a.ends_at AND (${crossovers_count} OR NOT is_crossover)
),
-- The user's events that are due, per term; the covariate belongs to the entry. The property's value is taken from the text that
-- PostgreSQL prints, because every JSON function reads numbers as floats. In a plain text, without escapes, arrays and objects inside,
-- the quoted key before a colon is the property. Of others the escapes are removed, the text is split at its quotes (even parts are then
-- the contents of strings), and the key is the string at depth 1 before a colon. These texts stand in an array that is empty where none
-- is needed: a function of an array costs by its elements.
moment AS
(
    SELECT
        experiment_id,
        unit_id,
        variant_id,
        entered_on,
        t,
        e.1 AS what,
        e.6 AS exposures,
        multiIf(what > 0, toInt32(e.2), t.2 = 'x', entered_on, toInt32(${day})) AS day,
        what = 0 AND has(exposed_days, day) AS is_on_exposed_day,
        position(e.4, '\\') = 0 AND position(e.4, '[') = 0 AND countSubstrings(e.4, '{') = 1 AS is_plain,
        position(e.4, concat('"', t.4, '": ')) AS key_at,
        arrayMap(text -> splitByChar('"', replaceRegexpAll(text, '\\\\.', '\x01')), if(t.5 AND NOT is_plain, [e.4], [])) AS texts,
        arrayMap(parts -> arrayCumSum(arrayMap(
            (part, i) -> if(i % 2 = 0, 0,
                toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))
                    - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))),
            parts, arrayEnumerate(parts))), texts) AS depths_of_texts,
        arrayMap((parts, depths) -> arrayLast((part, before, i, depth) -> i % 2 = 1 AND before = t.4 AND depth = 1 AND startsWith(part, ': '),
            parts, arrayShiftRight(parts, 1), arrayEnumerate(parts), arrayShiftRight(depths, 1)), texts, depths_of_texts) AS values,
        if(NOT is_plain, values[1], if(key_at = 0, '', substring(e.4, key_at + length(t.4) + 2))) AS given,
        splitByChar('.', extract(given, '^: ([0-9]+(?:\\.[0-9]+)?)(?:, |\\})')) AS digits,
        what = 0 AND (NOT t.5 OR length(digits[1]) BETWEEN 1 AND 12) AS is_counted,
        multiIf(NOT is_counted, toInt128(0), NOT t.5, toInt128(1000000),
            toInt128(concat(digits[1], rightPad(substring(digits[2], 1, 6), 6, '0')))) AS value
    FROM
    (
        SELECT experiment_id, unit_id, variant_id, zone, entered_at, entered_on, exposed_days, e, e.2 AS at, t
        FROM (SELECT experiment_id, unit_id, variant_id, zone, entered_at, entered_on, exposed_days, e FROM unit ARRAY JOIN moments AS e)
        ARRAY JOIN terms_of_types[indexOf(moment_types, e.3)] AS t
    )
    WHERE e.1 > 0 OR (entered_on >= t.9 AND (e.5 OR t.2 = 'x') AND at - entered_at >= t.6 AND at - entered_at < t.7)
),
user_day AS
(
    SELECT
        experiment_id,
        any(variant_id) AS variant_id,
        t.10 AS metric_number,
        unit_id,
        any(entered_on) AS entered_on,
        day,
        sum(exposures) AS exposures,
        max(is_on_exposed_day) AS is_on_exposed_day,
        countIf(t.2 = 'y') AS events,
        countIf(t.2 = 'z') AS other_events,
        sumIf(value, t.2 = 'y' AND t.5) AS given,
        sumIf(value, t.2 = 'y') AS y,
        sumIf(value, t.2 = 'z') AS z,
        sumIf(value, t.2 = 'x') AS x,
        max(what = 2) AS is_new
    FROM moment
    WHERE what > 0 OR is_counted
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
),
cell AS
(
    SELECT
        experiment_id,
        variant_id,
        metric_number,
        if(metric_number = 0, entered_on, 0) AS entered,
        day,
        sum(exposures) AS exposures_,
        countIf(if(metric_number = 0, exposures > 0, NOT is_on_exposed_day AND (events > 0 OR other_events > 0))) AS active_users_,
        countIf(events > 0) AS converting_users_,
        sum(events) AS events_,
        sum(given) AS value_sum_,
        countIf(is_new) AS new_users_,
        countIf(events > 0 AND earlier_events = 0) AS new_converters_,
        sum(y1 - y0) AS d_sum_,
        sum(y1 * y1 - y0 * y0) AS d_sum_sq_,
        sum(z1 - z0) AS d_den_sum_,
        sum(z1 * z1 - z0 * z0) AS d_den_sum_sq_,
        sum(y1 * z1 - y0 * z0) AS d_num_den_,
        sumIf(x1, day = entered_on) AS d_x_sum_,
        sumIf(x1 * x1, day = entered_on) AS d_x_sum_sq_,
        sum(x1 * y1 - x1 * y0) AS d_xy_
    FROM user_total
    GROUP BY experiment_id, variant_id, metric_number, entered, day
)
SELECT
    experiment_id,
    variant_id,
    m.2 AS metric,
    day,
    toString(sum(exposures_)),
    toString(sum(active_users_)),
    toString(sum(converting_users_)),
    toString(sum(events_)),
    toString(sum(value_sum_)),
    toString(sum(new_users_)),
    toString(sum(new_converters_)),
    toString(sum(d_sum_)),
    toString(sum(d_sum_sq_)),
    toString(sum(d_den_sum_)),
    toString(sum(d_den_sum_sq_)),
    toString(sum(d_num_den_)),
    toString(sum(d_x_sum_)),
    toString(sum(d_x_sum_sq_)),
    toString(sum(d_xy_))
FROM cell
ARRAY JOIN arrayFilter(m -> if(metric_number = 0, entered >= m.4, m.1 = metric_number), metrics) AS m
GROUP BY experiment_id, variant_id, metric, day
