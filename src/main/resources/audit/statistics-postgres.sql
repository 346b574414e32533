-- experiment_daily_stats, computed from nothing but PostgreSQL's tables at the transaction's snapshot. Sums of values are
-- whole numbers of millionths, sums of squares of millionths of millionths. Rows with a time that ClickHouse can't hold are not
-- delivered: they stand in data_inconsistencies.
WITH metric (name, is_mean, event_type, property, delay, duration) AS (
    VALUES ${metrics}
),
${assigned}-- An id that a user sent more than once counts at its earliest time.
event AS (
    SELECT DISTINCT ON (experiment_id, user_id, id)
           experiment_id, user_id, "timestamp" AS at, event_type, variant_id, properties
    FROM events
    WHERE "timestamp" ${deliverable} AND coalesce(assignment_at, "timestamp") ${deliverable}
    ORDER BY experiment_id, user_id, id, "timestamp"
),
running AS MATERIALIZED (
    SELECT a.unit, e.at, e.event_type, e.properties,
           e.event_type = ${exposure} AS is_exposure,
           e.variant_id <> a.variant_id AS is_stray
    FROM event e
    JOIN assigned a USING (experiment_id, user_id)
    WHERE e.at BETWEEN a.starts_at AND a.ends_at
      AND (e.event_type = ${exposure} OR e.event_type IN (SELECT event_type FROM metric))
),
exposed AS (
    SELECT unit, min(at) AS exposed_at, coalesce(bool_or(is_stray), false) AS is_crossover
    FROM running
    WHERE is_exposure
    GROUP BY unit
),
entered AS MATERIALIZED (
    SELECT a.unit, a.experiment_id, a.variant_id, a.zone, ${entered_at} AS entered_at
    FROM assigned a
    LEFT JOIN exposed x USING (unit)
    WHERE ${entered_at} BETWEEN a.starts_at AND a.ends_at
      AND (${crossovers_count} OR NOT coalesce(x.is_crossover, false))
),
-- What of a user's events matters to which metric, and the user's entry.
moment AS (
    SELECT u.unit, u.experiment_id, u.variant_id, u.zone, m.name AS metric, m.is_mean, r.at,
           r.is_exposure AS is_exposure, counts.value IS NOT NULL AS is_counted, coalesce(counts.value, 0) AS value,
           false AS is_entry
    FROM running r
    JOIN entered u USING (unit)
    JOIN metric m ON r.is_exposure OR r.event_type = m.event_type
    CROSS JOIN LATERAL (
        SELECT CASE
                   WHEN r.event_type <> m.event_type THEN NULL
                   WHEN r.at < u.entered_at + m.delay THEN NULL
                   WHEN m.duration IS NOT NULL AND r.at >= u.entered_at + m.delay + m.duration THEN NULL
                   WHEN NOT m.is_mean THEN 0
                   WHEN jsonb_typeof(r.properties -> m.property) = 'number'
                       THEN (r.properties ->> m.property)::numeric
               END AS given
    ) AS property
    CROSS JOIN LATERAL (
        SELECT CASE WHEN property.given >= 0 AND property.given < 1000000000000
                        THEN trunc(property.given, 6) * 1000000 END AS value
    ) AS counts
    UNION ALL
    SELECT u.unit, u.experiment_id, u.variant_id, u.zone, m.name, m.is_mean, u.entered_at, false, false, 0, true
    FROM entered u
    CROSS JOIN metric m
),
user_day AS (
    SELECT unit, experiment_id, variant_id, metric, is_mean, ${day} AS day,
           count(*) FILTER (WHERE is_exposure) AS exposures,
           count(*) FILTER (WHERE is_counted) AS events,
           sum(value) AS value,
           bool_or(is_entry) AS is_new
    FROM moment
    GROUP BY unit, experiment_id, variant_id, metric, is_mean, ${day}
),
history AS (
    SELECT *,
           coalesce(sum(events) OVER earlier, 0) AS earlier_events,
           coalesce(sum(value) OVER earlier, 0) AS earlier_value
    FROM user_day
    WINDOW earlier AS (
        PARTITION BY unit, metric ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT experiment_id, variant_id, metric, (day - DATE '1970-01-01') AS day,
       sum(exposures)::text AS exposures,
       (count(*) FILTER (WHERE exposures > 0 OR events > 0))::text AS active_users,
       (count(*) FILTER (WHERE events > 0))::text AS converting_users,
       sum(events)::text AS events,
       trunc(sum(value))::text AS value_sum,
       (count(*) FILTER (WHERE is_new))::text AS new_users,
       (count(*) FILTER (WHERE events > 0 AND earlier_events = 0))::text AS new_converters,
       CASE WHEN is_mean THEN trunc(sum(value))
            ELSE 1000000 * count(*) FILTER (WHERE events > 0 AND earlier_events = 0)
       END::text AS d_sum,
       CASE WHEN is_mean THEN trunc(sum(2 * earlier_value * value + value * value))
            ELSE 1000000000000 * count(*) FILTER (WHERE events > 0 AND earlier_events = 0)
       END::text AS d_sum_sq
FROM history
WHERE exposures > 0 OR events > 0 OR is_new
GROUP BY experiment_id, variant_id, metric, is_mean, day
