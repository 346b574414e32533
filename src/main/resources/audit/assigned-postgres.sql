-- Users assigned at random to a variant of the experiment. They are numbered because numbers sort faster than names.
-- If a user has several assignments, the earliest counts, by the time that ClickHouse can hold.
assigned AS MATERIALIZED (
    SELECT row_number() OVER () AS unit, a.experiment_id, a.user_id, a.variant_id, a.assigned_at, a.enrolled_at,
           coalesce(e.starts_at, '-infinity') AS starts_at,
           coalesce(e.ends_at, 'infinity') AS ends_at,
           e.config ->> 'zone' AS zone
    FROM (
        SELECT DISTINCT ON (experiment_id, user_id) *
        FROM (
            SELECT id, experiment_id, user_id, variant_id, source, ${assigned_at} AS assigned_at, ${enrolled_at} AS enrolled_at
            FROM assignments
        ) n
        WHERE assigned_at IS NOT NULL
        ORDER BY experiment_id, user_id, assigned_at, id
    ) a
    JOIN experiments e ON e.id = a.experiment_id
    JOIN variants v ON v.id = a.variant_id AND v.experiment_id = a.experiment_id
    WHERE a.source NOT IN ('override', 'forced')
),
