-- How long the warehouse keeps the rows of each table: the defaults of retention.clickhouse. `cleanup` and the schedule set what the
-- configuration says, where a table has a TTL. Safe to apply twice. Existing parts are not rewritten: their expired rows
-- are removed when the parts are merged. A time that is 1900-01-02 stands for any earlier one, and for -infinity: the age of such a
-- row is unknown, so it is kept as long as a row of the day on which it was committed.
-- Where an archive is configured, only it removes events and assignments. Their tables then have a constraint only_archive_removes_rows,
-- and the last two statements are refused because they would add it again. If the archive was given up, drop the constraint of both tables first.
ALTER TABLE experiment_daily_stats /*cluster:ON CLUSTER '{cluster}'*/ MODIFY TTL if(day > '1900-01-02', day, toDate32(_committed_at)) + INTERVAL 1826 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE experiment_health_daily /*cluster:ON CLUSTER '{cluster}'*/ MODIFY TTL if(day > '1900-01-02', day, toDate32(_committed_at)) + INTERVAL 1826 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE etl_sink_progress /*cluster:ON CLUSTER '{cluster}'*/ MODIFY TTL written_at + INTERVAL 7 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE etl_audits /*cluster:ON CLUSTER '{cluster}'*/ MODIFY TTL audited_at + INTERVAL 1826 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE events_processed /*cluster:ON CLUSTER '{cluster}'*/ ADD CONSTRAINT only_archive_removes_rows CHECK true, DROP CONSTRAINT only_archive_removes_rows, MODIFY TTL timestamp + INTERVAL 730 DAY SETTINGS materialize_ttl_after_modify = 0;
ALTER TABLE assignments_processed /*cluster:ON CLUSTER '{cluster}'*/ ADD CONSTRAINT only_archive_removes_rows CHECK true, DROP CONSTRAINT only_archive_removes_rows, MODIFY TTL if(assigned_at > '1900-01-02 00:00:00', assigned_at, _committed_at) + INTERVAL 730 DAY SETTINGS materialize_ttl_after_modify = 0;
