/**
 * Step 5, written: an exactly-once Flink sink for ClickHouse, usable on its own; it knows nothing
 * of experiments.
 */
package io.experimentetl.clickhouse;
