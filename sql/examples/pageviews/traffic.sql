-- A new month begins: its partitions are made while the job runs.
BEGIN;
CREATE TABLE pulse.events_2026_11 PARTITION OF pulse.events FOR VALUES FROM ('2026-11-01 00:00Z') TO ('2026-12-01 00:00Z');
ALTER TABLE pulse.events_2026_11 REPLICA IDENTITY FULL;
CREATE TABLE pulse.goal_completions_2026_11 PARTITION OF pulse.goal_completions FOR VALUES FROM ('2026-11-01 00:00Z') TO ('2026-12-01 00:00Z');
ALTER TABLE pulse.goal_completions_2026_11 REPLICA IDENTITY FULL;
COMMIT;

INSERT INTO pulse.events
SELECT n, 1 + n % 3, 'page_view', '/page/' || n % 11, 'v' || n * 7919 % 150, TIMESTAMPTZ '2026-10-31 20:00Z' + (n - 4000) * INTERVAL '11 minutes'
FROM generate_series(4001, 4500) n;

-- The goal that they reach is made behind them.
INSERT INTO pulse.goal_completions
SELECT n, 1 + n % 3, 3, 'v' || n * 7919 % 150, n % 5000 / 100.0, TIMESTAMPTZ '2026-10-31 20:00Z' + (n - 300) * INTERVAL '2 hours'
FROM generate_series(301, 340) n;
INSERT INTO pulse.goals VALUES (3, 'download');

-- A late event of a month before, a visitor who is recognised, and a corrected time that moves rows to another partition.
INSERT INTO pulse.events VALUES (5000, 1, 'page_view', '/late', 'v1', '2026-09-11 12:00Z');
UPDATE pulse.events SET visitor_id = 'v1' WHERE visitor_id = 'v77';
UPDATE pulse.events SET timestamp = timestamp + INTERVAL '720 hours' WHERE id % 173 = 0 AND timestamp < '2026-10-01 00:00Z';

-- Bots are removed, a goal's value is corrected, and a goal gets another name.
DELETE FROM pulse.events WHERE visitor_id = 'v13';
DELETE FROM pulse.goal_completions WHERE visitor_id = 'v13';
UPDATE pulse.goal_completions SET value = value + 0.01 WHERE id % 7 = 0;
UPDATE pulse.goals SET name = 'purchase' WHERE name = 'checkout';
