-- The names that analysts use. The views hide the columns of versions, and read each row's last one.
CREATE OR REPLACE VIEW bets AS
SELECT bet_id, user_id, user_name, event_id, event_name, event_category, status, amount, placed_at, settled_at
FROM bets_analytics FINAL;

CREATE OR REPLACE VIEW events AS
SELECT id, name, category, start_time, status
FROM event_rows FINAL;
