-- Page views, visitors, goals of each day
SELECT day, project_id, page_views, visitors, goals, goal_value FROM daily_projects ORDER BY ALL;

-- Pages
SELECT day, url, rows, distinct_visitor_id FROM daily_pages WHERE project_id = 1 AND name = 'page_view' ORDER BY ALL;

-- Goals
SELECT day, project_id, goal_name, rows, sum_value, distinct_visitor_id FROM daily_goals ORDER BY ALL;
