-- Monthly user cohort analysis
SELECT
    toStartOfMonth(placed_at) as month,
    user_id,
    COUNT(*) as bet_count,
    SUM(amount) as total_wagered
FROM bets
WHERE placed_at >= '2024-01-01'
GROUP BY month, user_id
ORDER BY total_wagered DESC;

-- Multi-dimensional analysis
SELECT
    DATE(placed_at) as date,
    status,
    event_category,
    COUNT(*) as count,
    AVG(amount) as avg_amount
FROM bets
JOIN events ON bets.event_id = events.id
GROUP BY date, status, event_category
WITH ROLLUP;

-- Money by status, to the cent
SELECT status, count(), sum(amount) FROM bets GROUP BY status ORDER BY status;

-- Bets, money and players of each day
SELECT day, status, event_category, rows, sum_amount, distinct_user_id FROM daily_bets ORDER BY ALL;

-- Bets by the names that were looked up
SELECT user_name, event_name, count(), sum(amount) FROM bets GROUP BY user_name, event_name ORDER BY ALL;

-- Missing users and events, as findings
SELECT subject, toUInt64(splitByChar(' ', detail)[1]) AS bets FROM findings_open WHERE code = 'R-ORPHAN-LOOKUP' ORDER BY subject;
