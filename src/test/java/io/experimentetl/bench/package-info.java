/**
 * {@code ./etl bench}: the speed of the job, compared with the bare source and ClickHouse's
 * MaterializedPostgreSQL.
 */
package io.experimentetl.bench;
