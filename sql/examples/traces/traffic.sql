-- Traces of a new project come before the project, and some name a user who does not exist.
INSERT INTO agents.traces
SELECT 't' || n, md5('project ' || 6)::uuid, 35 + n % 10, 'trace ' || n % 4, TIMESTAMPTZ '2026-10-14 00:00Z' + n % 100 * INTERVAL '11 minutes', NULL
FROM generate_series(501, 600) n;

INSERT INTO agents.observations
SELECT 'o' || n, 't' || 501 + n % 100, md5('project ' || 6)::uuid, 'GENERATION', 'large', TIMESTAMPTZ '2026-10-14 00:00Z' + n % 100 * INTERVAL '11 minutes',
    n % 1000, n % 300, (n % 1000) * 0.0000015 + (n % 300) * 0.0000123457
FROM generate_series(3001, 3400) n;

INSERT INTO agents.projects VALUES (md5('project ' || 6)::uuid, 'project 6');

-- A trace without a project that exists.
INSERT INTO agents.traces VALUES ('stray', md5('nothing')::uuid, 1, 'stray', '2026-10-15 12:00Z', NULL);
INSERT INTO agents.observations VALUES ('stray', 'stray', md5('nothing')::uuid, 'GENERATION', 'large', '2026-10-15 12:00Z', 10, 10, 0.0000000001);

-- An observation ends: its tokens and its cost are filled in.
UPDATE agents.observations SET output_tokens = output_tokens + 17, cost = cost + 0.0000000017 WHERE kind = 'GENERATION' AND right(id, 1) = '3';

-- A score is corrected, and others are withdrawn.
UPDATE agents.scores SET value = 0.9999 WHERE right(id, 2) = '42';
DELETE FROM agents.scores WHERE right(id, 2) = '99';

-- A project is renamed, a user gets another address, a user leaves.
UPDATE agents.projects SET name = 'renamed project' WHERE name = 'project 2';
UPDATE agents.users SET email = 'new' || id || '@example.org' WHERE id % 10 = 0;
DELETE FROM agents.users WHERE id = 7;

-- A trace moves to another project, with all that belongs to it.
BEGIN;
UPDATE agents.traces SET project_id = md5('project ' || 1)::uuid WHERE id = 't3';
UPDATE agents.observations SET project_id = md5('project ' || 1)::uuid WHERE trace_id = 't3';
UPDATE agents.scores SET project_id = md5('project ' || 1)::uuid WHERE trace_id = 't3';
COMMIT;

BEGIN;
DELETE FROM agents.traces WHERE id = 't4';
DELETE FROM agents.observations WHERE trace_id = 't4';
DELETE FROM agents.scores WHERE trace_id = 't4';
COMMIT;
