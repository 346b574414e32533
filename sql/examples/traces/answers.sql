SELECT (started_at AT TIME ZONE 'UTC')::date, p.name, model, count(*), trim_scale(sum(cost)), sum(input_tokens), sum(output_tokens)
FROM agents.observations o LEFT JOIN agents.projects p ON p.id = o.project_id
GROUP BY 1, o.project_id, 2, 3;

SELECT p.name, u.email, count(*)
FROM agents.traces t LEFT JOIN agents.projects p ON p.id = t.project_id LEFT JOIN agents.users u ON u.id = t.user_id
GROUP BY 1, 2;

SELECT p.name, s.name, count(*), trim_scale(sum(value))
FROM agents.scores s LEFT JOIN agents.projects p ON p.id = s.project_id
GROUP BY 1, 2;

SELECT 'traces', id, 'project' FROM agents.traces t WHERE NOT EXISTS (SELECT FROM agents.projects p WHERE p.id = t.project_id)
UNION ALL
SELECT 'traces', id, 'user' FROM agents.traces t WHERE user_id IS NOT NULL AND NOT EXISTS (SELECT FROM agents.users u WHERE u.id = t.user_id)
UNION ALL
SELECT 'observations', id, 'project' FROM agents.observations o WHERE NOT EXISTS (SELECT FROM agents.projects p WHERE p.id = o.project_id)
UNION ALL
SELECT 'scores', id, 'project' FROM agents.scores s WHERE NOT EXISTS (SELECT FROM agents.projects p WHERE p.id = s.project_id);

SELECT 'column:agents.traces.project_id', count(*)
FROM agents.traces t WHERE NOT EXISTS (SELECT FROM agents.projects p WHERE p.id = t.project_id) HAVING count(*) > 0
UNION ALL
SELECT 'column:agents.traces.user_id', count(*)
FROM agents.traces t WHERE user_id IS NOT NULL AND NOT EXISTS (SELECT FROM agents.users u WHERE u.id = t.user_id) HAVING count(*) > 0
UNION ALL
SELECT 'column:agents.observations.project_id', count(*)
FROM agents.observations o WHERE NOT EXISTS (SELECT FROM agents.projects p WHERE p.id = o.project_id) HAVING count(*) > 0;
