-- Bets are settled, cashed out and cancelled.
UPDATE betting.bets SET status = 'SETTLED', settled_at = placed_at + INTERVAL '30 hours' WHERE bet_id % 10 < 7;
UPDATE betting.bets SET status = 'CASHED_OUT', settled_at = placed_at + INTERVAL '1 hour' WHERE bet_id % 10 = 7;
UPDATE betting.bets SET status = 'CANCELLED' WHERE bet_id % 10 = 8;

-- New bets name events that do not exist yet.
INSERT INTO betting.bets
SELECT n, 1 + n % 200, 50 + n % 6, 'OPEN', (n::bigint * 7919 % 25000 + 1) / 100.0, TIMESTAMPTZ '2024-03-10 00:00Z' + n % 400 * INTERVAL '1 hour', NULL
FROM generate_series(3001, 3400) n;

-- Two bets of one user at one moment.
INSERT INTO betting.bets VALUES
    (4001, 7, 1, 'OPEN', 10.01, '2024-03-11 11:11:11Z', NULL),
    (4002, 7, 2, 'OPEN', 20.02, '2024-03-11 11:11:11Z', NULL);

-- Placed and settled at once.
BEGIN;
INSERT INTO betting.bets VALUES (4003, 8, 3, 'OPEN', 0.01, '2024-03-12 00:00Z', NULL);
UPDATE betting.bets SET status = 'SETTLED', settled_at = '2024-03-12 00:00:01Z' WHERE bet_id = 4003;
COMMIT;

-- The events come late, all but one.
INSERT INTO betting.events
SELECT n, 'Late match ' || n, 'chess', '2024-04-01 18:00Z', 'SCHEDULED'
FROM generate_series(51, 54) n;

-- Another category and name: the bets on them follow.
UPDATE betting.events SET category = 'esports', name = 'Renamed ' || id, status = 'FINISHED' WHERE id % 10 = 0;
UPDATE betting.users SET name = 'Renamed ' || id WHERE id % 20 = 0;

-- A stake is corrected by a cent, a bet moves to another month, another to another user: to ClickHouse's key too.
UPDATE betting.bets SET amount = amount + 0.01 WHERE bet_id % 97 = 0;
UPDATE betting.bets SET placed_at = placed_at + INTERVAL '800 hours' WHERE bet_id % 101 = 0;
UPDATE betting.bets SET user_id = 1 WHERE bet_id % 103 = 0;

DELETE FROM betting.bets WHERE bet_id % 211 = 0;
DELETE FROM betting.users WHERE id = 13;
