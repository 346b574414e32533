-- The figures of experiment_daily_stats, and of experiment_health_daily, computed only from PostgreSQL's tables at the
-- transaction's snapshot: one statement, because both need every user's events. Sums of values are integers in units of 10^-6, sums
-- of squares in units of 10^-12. Rows without a metric are health figures: the increments of a day, per variant. Events with a
-- timestamp outside ClickHouse's range are not delivered: they are in data_inconsistencies.
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
${assigned}-- The ids that came more than once are few: to find them costs less than to sort all events. As an array, because the planner expects
-- a third of all ids otherwise.
repeated AS MATERIALIZED (
    SELECT unnest(ARRAY(SELECT id FROM events WHERE "timestamp" ${deliverable} GROUP BY id HAVING count(*) > 1)) AS id
),
-- If a user sent an event id more than once, its earliest time counts.
event AS (
    SELECT experiment_id, user_id, "timestamp" AS at, ${kind} AS event_type, variant_id, properties
    FROM events
    WHERE "timestamp" ${deliverable} AND NOT EXISTS (SELECT FROM repeated WHERE repeated.id = events.id)
    UNION ALL
    SELECT experiment_id, user_id, at, event_type, variant_id, properties
    FROM (
        SELECT DISTINCT ON (id, experiment_id, user_id)
               experiment_id, user_id, "timestamp" AS at, ${kind} AS event_type, variant_id, properties
        FROM events
        WHERE "timestamp" ${deliverable} AND id IN (SELECT id FROM repeated)
        ORDER BY id, experiment_id, user_id, "timestamp"
    ) earliest
),
relevant AS MATERIALIZED (
    SELECT a.unit, e.at, ${day} AS day, e.event_type,
           CASE WHEN e.event_type = ANY (${types_with_value}) THEN e.properties END AS properties,
           e.at BETWEEN a.starts_at AND a.ends_at AS is_inside,
           e.event_type = ${exposure} AND e.at BETWEEN a.starts_at AND a.ends_at AS is_exposure,
           e.variant_id <> a.variant_id AS is_stray
    FROM event e
    JOIN assigned a ${of_event}
    WHERE (e.at BETWEEN a.starts_at AND a.ends_at
           AND (e.event_type = ${exposure} OR e.event_type = ANY (${types})))
       OR e.event_type = ANY (${types_before})
),
-- The exposures of each user and day.
exposure AS MATERIALIZED (
    SELECT unit, day, min(at) AS first_at, coalesce(bool_or(is_stray), false) AS is_stray, count(*) AS exposures
    FROM relevant
    WHERE is_exposure
    GROUP BY unit, day
),
exposed AS (
    SELECT unit, min(first_at) AS exposed_at, bool_or(is_stray) AS is_crossover FROM exposure GROUP BY unit
),
entered AS MATERIALIZED (
    SELECT *, ${entered_day} AS entered_on
    FROM (
        SELECT a.unit, a.experiment_id, a.variant_id, a.zone, a.starts_at, a.ends_at,
               coalesce(x.is_crossover, false) AS is_crossover, ${entered_at} AS entered_at
        FROM assigned a
        LEFT JOIN exposed x USING (unit)
    ) u
    WHERE entered_at BETWEEN starts_at AND ends_at
),
member AS MATERIALIZED (
    SELECT * FROM entered WHERE ${crossovers_count} OR NOT is_crossover
),
-- The user's events that count, per term. The covariate belongs to the entry.
counted AS (
    SELECT u.unit, u.experiment_id, u.variant_id, u.entered_on, t.metric, t.role,
           CASE t.role WHEN 'x' THEN u.entered_on ELSE r.day END AS day,
           t.property IS NOT NULL AS has_value,
           worth.value
    FROM relevant r
    JOIN member u USING (unit)
    JOIN term t ON r.event_type = t.event_type
    CROSS JOIN LATERAL (
        SELECT CASE
                   WHEN t.property IS NULL THEN 1
                   WHEN jsonb_typeof(r.properties -> t.property) = 'number'
                       THEN (r.properties ->> t.property)::numeric
               END AS given
    ) AS property
    CROSS JOIN LATERAL (
        -- Less than 10^18: an integer of 64 bits, which adds up faster than a number of any length.
        SELECT CASE WHEN property.given >= 0 AND property.given < 1000000000000
                        THEN trunc(trunc(property.given, 6) * 1000000)::bigint END AS value
    ) AS worth
    WHERE u.entered_on >= t.since AND (t.role = 'x' OR r.is_inside)
      AND r.at >= u.entered_at + t.opens AND (t.closes IS NULL OR r.at < u.entered_at + t.closes)
      AND worth.value IS NOT NULL
),
counted_day AS (
    SELECT unit, experiment_id, variant_id, entered_on, metric, day,
           count(*) FILTER (WHERE role = 'y') AS events,
           count(*) FILTER (WHERE role = 'z') AS other_events,
           coalesce(sum(value) FILTER (WHERE role = 'y' AND has_value), 0) AS given,
           coalesce(sum(value) FILTER (WHERE role = 'y'), 0) AS y,
           coalesce(sum(value) FILTER (WHERE role = 'z'), 0) AS z,
           coalesce(sum(value) FILTER (WHERE role = 'x'), 0) AS x
    FROM counted
    GROUP BY unit, experiment_id, variant_id, entered_on, metric, day
),
total AS (
    SELECT d.*, m.cap,
           sum(events) OVER until_now - events AS earlier_events,
           sum(y) OVER until_now AS y_until,
           sum(z) OVER until_now AS z_until,
           sum(x) OVER (PARTITION BY unit, metric) AS x_before,
           EXISTS (SELECT FROM exposure e WHERE e.unit = d.unit AND e.day = d.day) AS is_on_exposed_day
    FROM counted_day d
    JOIN metric m ON m.number = d.metric
    WINDOW until_now AS (PARTITION BY unit, metric ORDER BY day ROWS UNBOUNDED PRECEDING)
),
-- A user's totals after the day (1) and before it (0). Without a cap the cap is NULL, and least() ignores NULL.
user_total AS (
    SELECT *, least(y_until, cap) AS y1, least(y_until - y, cap) AS y0, z_until AS z1, z_until - z AS z0,
           least(x_before, cap) AS x1
    FROM total
),
-- What the users' events add to the figures.
cell AS (
    SELECT experiment_id, variant_id, metric, day,
           0 AS exposures,
           count(*) FILTER (WHERE NOT is_on_exposed_day AND (events > 0 OR other_events > 0)) AS active_users,
           count(*) FILTER (WHERE events > 0) AS converting_users,
           sum(events) AS events,
           sum(given) AS value_sum,
           0 AS new_users,
           count(*) FILTER (WHERE events > 0 AND earlier_events = 0) AS new_converters,
           sum(y1 - y0) AS d_sum,
           sum(y1 * y1 - y0 * y0) AS d_sum_sq,
           sum(z1 - z0) AS d_den_sum,
           sum(z1 * z1 - z0 * z0) AS d_den_sum_sq,
           sum(y1 * z1 - y0 * z0) AS d_num_den,
           coalesce(sum(x1) FILTER (WHERE day = entered_on), 0) AS d_x_sum,
           coalesce(sum(x1 * x1) FILTER (WHERE day = entered_on), 0) AS d_x_sum_sq,
           sum(x1 * y1 - x1 * y0) AS d_xy
    FROM user_total
    GROUP BY experiment_id, variant_id, metric, day
),
-- What exposures and entries add to those of every metric.
population AS (
    SELECT experiment_id, variant_id, entered_on, day, sum(exposures) AS exposures, sum(exposed) AS exposed, sum(entered) AS entered
    FROM (
        SELECT u.experiment_id, u.variant_id, u.entered_on, x.day, x.exposures, 1 AS exposed, 0 AS entered
        FROM exposure x
        JOIN member u USING (unit)
        UNION ALL
        SELECT experiment_id, variant_id, entered_on, entered_on, 0, 0, 1 FROM member
    ) p
    GROUP BY experiment_id, variant_id, entered_on, day
),
health_day AS (
    SELECT experiment_id, variant_id, ${assigned_day} AS day, 1 AS assigned, 0 AS exposed, 0 AS crossover, 0 AS exposures FROM assigned
    UNION ALL
    SELECT experiment_id, variant_id, entered_on, 0, 1, is_crossover::int, 0 FROM entered
    UNION ALL
    SELECT u.experiment_id, u.variant_id, x.day, 0, 0, 0, x.exposures FROM exposure x JOIN entered u USING (unit)
)
SELECT c.experiment_id, c.variant_id, m.name AS metric, (c.day - DATE '1970-01-01') AS day,
       sum(exposures)::text AS exposures,
       sum(active_users)::text AS active_users,
       sum(converting_users)::text AS converting_users,
       sum(events)::text AS events,
       sum(value_sum)::text AS value_sum,
       sum(new_users)::text AS new_users,
       sum(new_converters)::text AS new_converters,
       sum(d_sum)::text AS d_sum,
       sum(d_sum_sq)::text AS d_sum_sq,
       sum(d_den_sum)::text AS d_den_sum,
       sum(d_den_sum_sq)::text AS d_den_sum_sq,
       sum(d_num_den)::text AS d_num_den,
       sum(d_x_sum)::text AS d_x_sum,
       sum(d_x_sum_sq)::text AS d_x_sum_sq,
       sum(d_xy)::text AS d_xy
FROM (
    SELECT * FROM cell
    UNION ALL
    SELECT p.experiment_id, p.variant_id, m.number, p.day, p.exposures, p.exposed, 0, 0, 0, p.entered, 0, 0, 0, 0, 0, 0, 0, 0, 0
    FROM population p
    JOIN metric m ON p.entered_on >= m.since
) c
JOIN metric m ON m.number = c.metric
GROUP BY c.experiment_id, c.variant_id, m.name, c.day
UNION ALL
SELECT experiment_id, variant_id, NULL, (day - DATE '1970-01-01'),
       sum(assigned)::text, sum(exposed)::text, sum(crossover)::text, sum(exposures)::text,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM health_day
GROUP BY experiment_id, variant_id, day
