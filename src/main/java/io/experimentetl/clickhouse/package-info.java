/**
 * An exactly-once Flink sink for ClickHouse. Rows are sealed into batches whose identity and bytes
 * never change again; a batch is one INSERT, one block and one partition; whether it is already
 * there is proved by looking for its {@code _batch_id}, never by a clock or a server's window.
 */
package io.experimentetl.clickhouse;
