-- The figures of experiment_health_daily, computed only from PostgreSQL's tables at the transaction's snapshot: the increments
-- of each day, per variant.
WITH
${assigned}event AS (
    SELECT DISTINCT ON (id, experiment_id, user_id)
           experiment_id, user_id, "timestamp" AS at, event_type, variant_id
    FROM events
    WHERE "timestamp" ${deliverable}
    ORDER BY id, experiment_id, user_id, "timestamp"
),
exposure AS MATERIALIZED (
    SELECT a.unit, e.at, coalesce(e.variant_id <> a.variant_id, false) AS is_stray
    FROM event e
    JOIN assigned a USING (experiment_id, user_id)
    WHERE e.event_type = ${exposure} AND e.at BETWEEN a.starts_at AND a.ends_at
),
exposed AS (
    SELECT unit, min(at) AS exposed_at, bool_or(is_stray) AS is_stray FROM exposure GROUP BY unit
),
entered AS MATERIALIZED (
    SELECT a.unit, a.experiment_id, a.variant_id, a.zone, ${entered_at} AS entered_at,
           coalesce(x.is_stray, false) AS is_stray
    FROM assigned a
    LEFT JOIN exposed x USING (unit)
    WHERE ${entered_at} BETWEEN a.starts_at AND a.ends_at
),
moment AS (
    SELECT experiment_id, variant_id, zone, assigned_at AS at, 1 AS assigned, 0 AS exposed, 0 AS crossover, 0 AS exposures
    FROM assigned
    UNION ALL
    SELECT experiment_id, variant_id, zone, entered_at, 0, 1, is_stray::int, 0 FROM entered
    UNION ALL
    SELECT n.experiment_id, n.variant_id, n.zone, x.at, 0, 0, 0, 1 FROM exposure x JOIN entered n USING (unit)
)
SELECT experiment_id, variant_id, ${day} - DATE '1970-01-01' AS day,
       sum(assigned), sum(exposed), sum(crossover), sum(exposures)
FROM moment
GROUP BY experiment_id, variant_id, ${day}
