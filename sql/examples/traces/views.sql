-- What names a project or a user that does not exist.
CREATE OR REPLACE VIEW unknown_references AS
SELECT 'traces' AS kind, id, 'project' AS unknown, toString(project_id) AS reference FROM traces FINAL WHERE project_name IS NULL
UNION ALL
SELECT 'traces', id, 'user', toString(assumeNotNull(user_id)) FROM traces FINAL WHERE user_id IS NOT NULL AND user_email IS NULL
UNION ALL
SELECT 'observations', id, 'project', toString(project_id) FROM observations FINAL WHERE project_name IS NULL
UNION ALL
SELECT 'scores', id, 'project', toString(project_id) FROM scores FINAL WHERE project_name IS NULL;
