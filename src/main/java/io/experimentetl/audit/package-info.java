/**
 * The audit: PostgreSQL's rows, ClickHouse's rows and the daily statistics, compared at one place
 * of the change stream. Knows nothing of the job: plain SQL on both sides.
 */
package io.experimentetl.audit;
