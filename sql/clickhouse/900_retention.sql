-- How long the warehouse keeps the rows of each table. Safe to apply twice. Existing parts are not rewritten: their expired rows
-- are removed when the parts are merged.
ALTER TABLE events_processed MODIFY TTL timestamp + INTERVAL 2 YEAR SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE assignments_processed MODIFY TTL assigned_at + INTERVAL 2 YEAR SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE experiment_daily_stats MODIFY TTL day + INTERVAL 5 YEAR SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE experiment_health_daily MODIFY TTL day + INTERVAL 5 YEAR SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE etl_sink_progress MODIFY TTL written_at + INTERVAL 7 DAY SETTINGS materialize_ttl_after_modify = 0;
