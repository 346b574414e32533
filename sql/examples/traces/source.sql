-- A platform that observes agents. Traces are written by agents, which may name a project or a user that does not exist.
CREATE SCHEMA agents;

CREATE TABLE agents.projects
(
    id   uuid PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE agents.users
(
    id    bigint PRIMARY KEY,
    email text NOT NULL
);

CREATE TABLE agents.traces
(
    id         text PRIMARY KEY,
    project_id uuid        NOT NULL,
    user_id    bigint,
    name       text        NOT NULL,
    started_at timestamptz NOT NULL,
    metadata   jsonb
);

-- model is NULL for a span, which calls none.
CREATE TABLE agents.observations
(
    id            text PRIMARY KEY,
    trace_id      text            NOT NULL,
    project_id    uuid            NOT NULL,
    kind          text            NOT NULL,
    model         text,
    started_at    timestamptz     NOT NULL,
    input_tokens  bigint          NOT NULL,
    output_tokens bigint          NOT NULL,
    cost          numeric(18, 10) NOT NULL
);

CREATE TABLE agents.scores
(
    id         text PRIMARY KEY,
    trace_id   text          NOT NULL,
    project_id uuid          NOT NULL,
    name       text          NOT NULL,
    value      numeric(6, 4) NOT NULL,
    scored_at  timestamptz   NOT NULL
);

INSERT INTO agents.projects
SELECT md5('project ' || n)::uuid, 'project ' || n
FROM generate_series(1, 5) n;

INSERT INTO agents.users
SELECT n, 'user' || n || '@example.org'
FROM generate_series(1, 40) n;

INSERT INTO agents.traces
SELECT 't' || n, md5('project ' || 1 + n % 5)::uuid, CASE WHEN n % 9 > 0 THEN 1 + n % 40 END, 'trace ' || n % 4,
    TIMESTAMPTZ '2026-10-01 00:00Z' + n * INTERVAL '37 minutes', jsonb_build_object('retries', n % 3)
FROM generate_series(1, 500) n;

INSERT INTO agents.observations
SELECT 'o' || n, 't' || 1 + n % 500, md5('project ' || 1 + (1 + n % 500) % 5)::uuid, CASE n % 4 WHEN 0 THEN 'SPAN' ELSE 'GENERATION' END,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'small' ELSE 'large' END, TIMESTAMPTZ '2026-10-01 00:00Z' + (1 + n % 500) * INTERVAL '37 minutes',
    n % 1000, n % 300, CASE n % 4 WHEN 0 THEN 0 ELSE (n % 1000) * 0.0000015 + (n % 300) * 0.0000123457 END
FROM generate_series(1, 1500) n;

INSERT INTO agents.scores
SELECT 's' || n, 't' || 1 + n % 500, md5('project ' || 1 + (1 + n % 500) % 5)::uuid, CASE n % 2 WHEN 0 THEN 'helpful' ELSE 'correct' END,
    n % 10000 / 10000.0, TIMESTAMPTZ '2026-10-20 00:00Z' + n * INTERVAL '1 minute'
FROM generate_series(1, 500) n;
