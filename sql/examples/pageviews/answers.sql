SELECT day, project_id, sum(views), sum(viewers), sum(completed), trim_scale(sum(worth))
FROM
(
    SELECT (timestamp AT TIME ZONE 'Europe/Berlin')::date AS day, project_id, count(*) AS views, count(DISTINCT visitor_id) AS viewers, 0 AS completed, 0 AS worth
    FROM pulse.events WHERE name = 'page_view' GROUP BY 1, 2
    UNION ALL
    SELECT (timestamp AT TIME ZONE 'Europe/Berlin')::date, project_id, 0, 0, count(*), sum(value)
    FROM pulse.goal_completions GROUP BY 1, 2
) days
GROUP BY day, project_id;

SELECT (timestamp AT TIME ZONE 'Europe/Berlin')::date, url, count(*), count(DISTINCT visitor_id)
FROM pulse.events WHERE project_id = 1 AND name = 'page_view'
GROUP BY 1, 2;

SELECT (timestamp AT TIME ZONE 'Europe/Berlin')::date, project_id, g.name, count(*), trim_scale(sum(value)), count(DISTINCT visitor_id)
FROM pulse.goal_completions c LEFT JOIN pulse.goals g ON g.id = c.goal_id
GROUP BY 1, 2, 3;
