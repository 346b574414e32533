-- Users assigned at random to a variant of the experiment. They are numbered because numbers sort faster than names.
-- If a user has several assignments, the earliest counts.
assigned AS MATERIALIZED (
    SELECT row_number() OVER () AS unit, a.experiment_id, a.user_id, a.variant_id, a.assigned_at, a.enrolled_at,
           coalesce(e.starts_at, '-infinity') AS starts_at,
           coalesce(e.ends_at, 'infinity') AS ends_at,
           e.config ->> 'zone' AS zone
    FROM (
        SELECT DISTINCT ON (experiment_id, user_id) *
        FROM assignments
        WHERE assigned_at ${deliverable} AND coalesce(enrolled_at, assigned_at) ${deliverable}
          AND created_at ${deliverable} AND updated_at ${deliverable}
        ORDER BY experiment_id, user_id, assigned_at, id
    ) a
    JOIN experiments e ON e.id = a.experiment_id
    JOIN variants v ON v.id = a.variant_id AND v.experiment_id = a.experiment_id
    WHERE a.source NOT IN ('override', 'forced')
      AND coalesce(e.starts_at, e.created_at) ${deliverable} AND coalesce(e.ends_at, e.created_at) ${deliverable}
      AND e.created_at ${deliverable} AND e.updated_at ${deliverable}
      AND v.created_at ${deliverable} AND v.updated_at ${deliverable}
),
