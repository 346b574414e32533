-- A platform that counts page views. Events and goals are partitioned by month, in UTC.
CREATE SCHEMA pulse;

CREATE TABLE pulse.goals
(
    id   int PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE pulse.events
(
    id         bigint      NOT NULL,
    project_id int         NOT NULL,
    name       text        NOT NULL,
    url        text,
    visitor_id text        NOT NULL,
    timestamp  timestamptz NOT NULL,
    PRIMARY KEY (id, timestamp)
) PARTITION BY RANGE (timestamp);

CREATE TABLE pulse.goal_completions
(
    id         bigint         NOT NULL,
    project_id int            NOT NULL,
    goal_id    int            NOT NULL,
    visitor_id text           NOT NULL,
    value      numeric(12, 2) NOT NULL,
    timestamp  timestamptz    NOT NULL,
    PRIMARY KEY (id, timestamp)
) PARTITION BY RANGE (timestamp);

CREATE TABLE pulse.events_2026_09 PARTITION OF pulse.events FOR VALUES FROM ('2026-09-01 00:00Z') TO ('2026-10-01 00:00Z');
CREATE TABLE pulse.events_2026_10 PARTITION OF pulse.events FOR VALUES FROM ('2026-10-01 00:00Z') TO ('2026-11-01 00:00Z');
CREATE TABLE pulse.goal_completions_2026_09 PARTITION OF pulse.goal_completions FOR VALUES FROM ('2026-09-01 00:00Z') TO ('2026-10-01 00:00Z');
CREATE TABLE pulse.goal_completions_2026_10 PARTITION OF pulse.goal_completions FOR VALUES FROM ('2026-10-01 00:00Z') TO ('2026-11-01 00:00Z');

INSERT INTO pulse.goals VALUES (1, 'signup'), (2, 'checkout');

INSERT INTO pulse.events
SELECT n, 1 + n % 3, CASE n % 5 WHEN 0 THEN 'click' ELSE 'page_view' END, '/page/' || n % 11, 'v' || n * 7919 % 150, TIMESTAMPTZ '2026-09-10 00:00Z' + n * INTERVAL '22 minutes'
FROM generate_series(1, 2000) n;

INSERT INTO pulse.goal_completions
SELECT n, 1 + n % 3, 1 + n % 2, 'v' || n * 7919 % 150, n % 5000 / 100.0, TIMESTAMPTZ '2026-09-10 00:00Z' + n * INTERVAL '2 hours'
FROM generate_series(1, 300) n;
