-- A betting platform. No foreign keys: the services that write the tables do so one by one, and a bet may come before its event.
CREATE SCHEMA betting;

CREATE TYPE betting.bet_status AS ENUM ('OPEN', 'SETTLED', 'CASHED_OUT', 'CANCELLED');

CREATE TABLE betting.users
(
    id         bigint PRIMARY KEY,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE betting.events
(
    id         bigint PRIMARY KEY,
    name       text        NOT NULL,
    category   text        NOT NULL,
    start_time timestamptz NOT NULL,
    status     text        NOT NULL
);

CREATE TABLE betting.bets
(
    bet_id     bigint PRIMARY KEY,
    user_id    bigint             NOT NULL,
    event_id   bigint             NOT NULL,
    status     betting.bet_status NOT NULL,
    amount     numeric(12, 2)     NOT NULL,
    placed_at  timestamptz        NOT NULL,
    settled_at timestamptz
);

INSERT INTO betting.users
SELECT n, 'Player ' || n, TIMESTAMPTZ '2023-10-01 00:00Z' + n * INTERVAL '1 hour'
FROM generate_series(1, 200) n;

INSERT INTO betting.events
SELECT n, 'Match ' || n, (ARRAY ['football', 'tennis', 'cycling'])[1 + n % 3], TIMESTAMPTZ '2024-01-01 18:00Z' + n * INTERVAL '100 hours', 'SCHEDULED'
FROM generate_series(1, 50) n;

-- Four months, of which one lies before the cohorts of 2024. All are open.
INSERT INTO betting.bets
SELECT n, 1 + n * 7919 % 200, 1 + n % 50, 'OPEN', (n::bigint * 7919 % 25000 + 1) / 100.0, TIMESTAMPTZ '2023-12-01 00:00Z' + n * INTERVAL '110 minutes', NULL
FROM generate_series(1, 1500) n;
