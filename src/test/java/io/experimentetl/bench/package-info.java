/**
 * {@code ./etl bench}: the job's speed beside the bare source and ClickHouse's
 * MaterializedPostgreSQL.
 */
package io.experimentetl.bench;
