-- experiment_daily_stats, computed only from PostgreSQL's tables at the transaction's snapshot. Sums of values are integers in
-- units of 10^-6, sums of squares in units of 10^-12. Events with a timestamp outside ClickHouse's range are not delivered:
-- they are in data_inconsistencies.
-- Users and metrics have numbers, which sort faster than names.
WITH metric (number, name, cap, since) AS (
    VALUES ${metrics}
),
-- The terms that a metric sums: y, a ratio's denominator z, and the covariate x before the exposure. Events count from opens
-- (inclusive) to closes (exclusive), measured from the user's entry, for users who entered on the day since or later. Without a
-- property an event counts as 1.
term (metric, role, event_type, property, opens, closes, since) AS (
    VALUES ${terms}
),
${assigned}-- If a user sent an event id more than once, its earliest time counts.
event AS (
    SELECT DISTINCT ON (id, experiment_id, user_id)
           experiment_id, user_id, "timestamp" AS at, event_type, variant_id, properties
    FROM events
    WHERE "timestamp" ${deliverable}
    -- The id first: it alone decides nearly every comparison.
    ORDER BY id, experiment_id, user_id, "timestamp"
),
relevant AS MATERIALIZED (
    SELECT a.unit, e.at, e.event_type, e.properties,
           e.at BETWEEN a.starts_at AND a.ends_at AS is_inside,
           e.event_type = ${exposure} AND e.at BETWEEN a.starts_at AND a.ends_at AS is_exposure,
           e.variant_id <> a.variant_id AS is_stray
    FROM event e
    JOIN assigned a USING (experiment_id, user_id)
    WHERE (e.at BETWEEN a.starts_at AND a.ends_at
           AND (e.event_type = ${exposure} OR e.event_type IN (SELECT event_type FROM term)))
       OR e.event_type IN (SELECT event_type FROM term WHERE role = 'x')
),
exposed AS (
    SELECT unit, min(at) AS exposed_at, coalesce(bool_or(is_stray), false) AS is_crossover
    FROM relevant
    WHERE is_exposure
    GROUP BY unit
),
entered AS MATERIALIZED (
    SELECT *, ${entered_day} AS entered_on
    FROM (
        SELECT a.unit, a.zone, a.starts_at, a.ends_at, coalesce(x.is_crossover, false) AS is_crossover, ${entered_at} AS entered_at
        FROM assigned a
        LEFT JOIN exposed x USING (unit)
    ) u
    WHERE entered_at BETWEEN starts_at AND ends_at AND (${crossovers_count} OR NOT is_crossover)
),
-- The user's events per term, and the user's entry. The covariate belongs to the entry.
moment AS (
    SELECT u.unit, u.zone, t.metric, t.role,
           CASE t.role WHEN 'x' THEN u.entered_at ELSE r.at END AS at,
           t.role = 'y' AND r.is_exposure AS is_exposure,
           t.property IS NOT NULL AS has_value,
           worth.value IS NOT NULL AS is_counted,
           coalesce(worth.value, 0) AS value,
           false AS is_entry
    FROM relevant r
    JOIN entered u USING (unit)
    JOIN term t ON (r.event_type = t.event_type OR (t.role = 'y' AND r.is_exposure)) AND u.entered_on >= t.since
    CROSS JOIN LATERAL (
        SELECT CASE
                   WHEN r.event_type <> t.event_type OR (t.role <> 'x' AND NOT r.is_inside) THEN NULL
                   WHEN r.at < u.entered_at + t.opens OR r.at >= u.entered_at + t.closes THEN NULL
                   WHEN t.property IS NULL THEN 1
                   WHEN jsonb_typeof(r.properties -> t.property) = 'number'
                       THEN (r.properties ->> t.property)::numeric
               END AS given
    ) AS property
    CROSS JOIN LATERAL (
        SELECT CASE WHEN property.given >= 0 AND property.given < 1000000000000
                        THEN trunc(trunc(property.given, 6) * 1000000) END AS value
    ) AS worth
    UNION ALL
    SELECT u.unit, u.zone, m.number, 'y', u.entered_at, false, false, false, 0, true
    FROM entered u
    JOIN metric m ON u.entered_on >= m.since
),
user_day AS (
    SELECT unit, metric, ${day} AS day,
           count(*) FILTER (WHERE is_exposure) AS exposures,
           count(*) FILTER (WHERE is_counted AND role = 'y') AS events,
           count(*) FILTER (WHERE is_counted AND role = 'z') AS other_events,
           coalesce(sum(value) FILTER (WHERE role = 'y' AND has_value), 0) AS given,
           coalesce(sum(value) FILTER (WHERE role = 'y'), 0) AS y,
           coalesce(sum(value) FILTER (WHERE role = 'z'), 0) AS z,
           coalesce(sum(value) FILTER (WHERE role = 'x'), 0) AS x,
           bool_or(is_entry) AS is_new
    FROM moment
    GROUP BY unit, metric, ${day}
),
total AS (
    SELECT d.*, m.name, m.cap,
           sum(events) OVER until_now - events AS earlier_events,
           sum(y) OVER until_now AS y_until,
           sum(z) OVER until_now AS z_until,
           sum(x) OVER (PARTITION BY unit, metric) AS x_before
    FROM user_day d
    JOIN metric m ON m.number = d.metric
    WINDOW until_now AS (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING)
),
-- A user's totals after the day (1) and before it (0). Without a cap the cap is NULL, and least() ignores NULL.
user_total AS (
    SELECT *, least(y_until, cap) AS y1, least(y_until - y, cap) AS y0, z_until AS z1, z_until - z AS z0,
           least(x_before, cap) AS x1
    FROM total
)
SELECT a.experiment_id, a.variant_id, name AS metric, (day - DATE '1970-01-01') AS day,
       sum(exposures)::text AS exposures,
       (count(*) FILTER (WHERE exposures > 0 OR events > 0 OR other_events > 0))::text AS active_users,
       (count(*) FILTER (WHERE events > 0))::text AS converting_users,
       sum(events)::text AS events,
       sum(given)::text AS value_sum,
       (count(*) FILTER (WHERE is_new))::text AS new_users,
       (count(*) FILTER (WHERE events > 0 AND earlier_events = 0))::text AS new_converters,
       sum(y1 - y0)::text AS d_sum,
       sum(y1 * y1 - y0 * y0)::text AS d_sum_sq,
       sum(z1 - z0)::text AS d_den_sum,
       sum(z1 * z1 - z0 * z0)::text AS d_den_sum_sq,
       sum(y1 * z1 - y0 * z0)::text AS d_num_den,
       coalesce(sum(x1) FILTER (WHERE is_new), 0)::text AS d_x_sum,
       coalesce(sum(x1 * x1) FILTER (WHERE is_new), 0)::text AS d_x_sum_sq,
       sum(x1 * y1 - x1 * y0)::text AS d_xy
FROM user_total
JOIN assigned a USING (unit)
WHERE exposures > 0 OR events > 0 OR other_events > 0 OR is_new
GROUP BY a.experiment_id, a.variant_id, name, day
