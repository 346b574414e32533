-- One role per task, each with the privileges it needs and no others. Apply it inside the job's database, behind 001_tables.sql and
-- 002_views.sql, as a user with access management. Safe to apply twice; on a cluster add ON CLUSTER to every CREATE ROLE and GRANT.
-- A role becomes effective with a user: CREATE USER etl IDENTIFIED BY '...'; GRANT experiment_etl_writer TO etl;
--
--   experiment_etl_writer    the job: inserts and reads; it can drop, alter and delete nothing
--   experiment_etl_reader    analysts: the views and the tables behind them, without users, which has names and e-mail addresses
--   experiment_etl_auditor   verify: reads everything; with --record it writes its verdict
--   experiment_etl_serve     serve, maintain, cleanup: reads, records audits, sets TTLs, removes erased users; with an archive also
--                            grant experiment_etl_archivist
--   experiment_etl_archivist archive, maintain monthly, forget: moves old rows to the archive and takes TTLs away; it can drop nothing
--   experiment_etl_operator  forget, dead-letters, restate, submit --fresh, resync --table: deletes rows; it can drop nothing.
--                            A resync of all tables makes and drops databases: only then give it that (the last comment)
CREATE ROLE IF NOT EXISTS experiment_etl_writer;
CREATE ROLE IF NOT EXISTS experiment_etl_reader;
CREATE ROLE IF NOT EXISTS experiment_etl_auditor;
CREATE ROLE IF NOT EXISTS experiment_etl_serve;
CREATE ROLE IF NOT EXISTS experiment_etl_archivist;
CREATE ROLE IF NOT EXISTS experiment_etl_operator;

GRANT SELECT, INSERT ON * TO experiment_etl_writer;
GRANT SELECT ON * TO experiment_etl_reader;
REVOKE SELECT ON users FROM experiment_etl_reader;
GRANT SELECT ON * TO experiment_etl_auditor;
GRANT INSERT ON data_inconsistencies TO experiment_etl_auditor;
GRANT INSERT ON etl_audits TO experiment_etl_auditor;
GRANT SELECT, ALTER DELETE, ALTER TTL, ALTER MATERIALIZE TTL, ALTER ADD CONSTRAINT ON * TO experiment_etl_serve;
GRANT INSERT ON data_inconsistencies TO experiment_etl_serve;
GRANT INSERT ON etl_audits TO experiment_etl_serve;
GRANT SELECT, INSERT, ALTER DELETE, ALTER TTL, ALTER ADD CONSTRAINT ON * TO experiment_etl_archivist;
GRANT SELECT, INSERT, ALTER DELETE, TRUNCATE ON * TO experiment_etl_operator;

-- The checks before a start, and of a query that stands still. Each shows only what the user may see.
GRANT SELECT ON system.tables TO experiment_etl_writer, experiment_etl_auditor, experiment_etl_serve, experiment_etl_archivist, experiment_etl_operator;
GRANT SELECT ON system.columns TO experiment_etl_writer, experiment_etl_auditor, experiment_etl_serve, experiment_etl_archivist, experiment_etl_operator;
GRANT SELECT ON system.parts TO experiment_etl_writer, experiment_etl_auditor, experiment_etl_serve, experiment_etl_operator;
GRANT SELECT ON system.processes TO experiment_etl_writer, experiment_etl_auditor, experiment_etl_serve, experiment_etl_operator;
GRANT SELECT ON system.settings TO experiment_etl_writer, experiment_etl_auditor, experiment_etl_serve, experiment_etl_operator;
GRANT SELECT ON system.replicas TO experiment_etl_writer, experiment_etl_operator;
GRANT SELECT ON system.time_zones TO experiment_etl_auditor, experiment_etl_serve;
-- What serve measures: disks, and the queries of all users.
GRANT SELECT ON system.disks TO experiment_etl_serve;
GRANT SELECT ON system.query_log TO experiment_etl_serve;
GRANT SHOW USERS ON *.* TO experiment_etl_serve;

-- For resync of all tables and bluegreen, with the job's database in the place of experiments. The job then writes into a database beside it:
--   GRANT SELECT, INSERT ON experiments_resync.* TO experiment_etl_writer;
--   GRANT SELECT, INSERT ON experiments_green.* TO experiment_etl_writer;
--   GRANT SYSTEM MERGES ON experiments.* TO experiment_etl_operator;
--   GRANT CREATE DATABASE, DROP DATABASE, CREATE TABLE, DROP TABLE, CREATE VIEW, DROP VIEW, ALTER, SELECT, INSERT ON *.* TO experiment_etl_operator;
