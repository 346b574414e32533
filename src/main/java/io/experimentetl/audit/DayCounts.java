package io.experimentetl.audit;

/**
 * A line of the report: a table's day.
 *
 * @param table name in PostgreSQL
 * @param day days since 1970-01-01 in UTC, or {@link AuditedTable#NO_DAY}
 * @param source rows in PostgreSQL
 * @param warehouse rows in ClickHouse as of the snapshot
 * @param retained rows that the retention of one side has removed
 * @param flagged undeliverable rows, each with a finding in data_inconsistencies
 */
record DayCounts(
    AuditedTable table, int day, long source, long warehouse, long retained, long flagged) {}
