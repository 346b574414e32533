
SELECT date_trunc('month', placed_at AT TIME ZONE 'UTC')::date, user_id, count(*), trim_scale(sum(amount))
FROM betting.bets
WHERE placed_at >= '2024-01-01 00:00Z'
GROUP BY 1, 2;

SELECT
    coalesce(day, '1970-01-01'),
    coalesce(status::text, ''),
    category,
    count(*),
    sum(amount)::float8 / count(*)
FROM (SELECT (placed_at AT TIME ZONE 'UTC')::date AS day, b.status, e.category, b.amount FROM betting.bets b JOIN betting.events e ON e.id = b.event_id) joined
GROUP BY ROLLUP (day, status, category);

SELECT status, count(*), trim_scale(sum(amount)) FROM betting.bets GROUP BY status;

SELECT (placed_at AT TIME ZONE 'UTC')::date, b.status, e.category, count(*), trim_scale(sum(amount)), count(DISTINCT user_id)
FROM betting.bets b LEFT JOIN betting.events e ON e.id = b.event_id
GROUP BY 1, 2, 3;

SELECT u.name, e.name, count(*), trim_scale(sum(b.amount))
FROM betting.bets b LEFT JOIN betting.users u ON u.id = b.user_id LEFT JOIN betting.events e ON e.id = b.event_id
GROUP BY 1, 2;

SELECT 'column:betting.bets.user_id', count(*)
FROM betting.bets b WHERE NOT EXISTS (SELECT FROM betting.users u WHERE u.id = b.user_id) HAVING count(*) > 0
UNION ALL
SELECT 'column:betting.bets.event_id', count(*)
FROM betting.bets b WHERE NOT EXISTS (SELECT FROM betting.events e WHERE e.id = b.event_id) HAVING count(*) > 0;
