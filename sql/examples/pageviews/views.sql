-- A project's day: page views, visitors who viewed a page, goals and their value.
CREATE OR REPLACE VIEW daily_projects AS
SELECT day, project_id, sum(views) AS page_views, sum(viewers) AS visitors, sum(completed) AS goals, sum(worth) AS goal_value
FROM
(
    SELECT day, project_id, rows AS views, distinct_visitor_id AS viewers, 0 AS completed, toDecimal128(0, 2) AS worth
    FROM daily_events
    WHERE name = 'page_view'
    UNION ALL
    SELECT day, project_id, 0, 0, rows, sum_value
    FROM daily_goals
)
GROUP BY day, project_id;
