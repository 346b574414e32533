/**
 * Step 5, written: an exactly-once Flink sink for ClickHouse, usable on its own; it knows nothing
 * of experiments.
 *
 * <p>Rows are read through ClickHouse's JDBC driver ({@link
 * io.experimentetl.clickhouse.ClickHouseReader}). Batches are written through a client of our own
 * ({@code ClickHouseHttp}), because delivery depends on what the driver hides:
 *
 * <ul>
 *   <li>A statement is sent once. The driver repeats a request after some failures, and a repeated
 *       INSERT whose first copy is still running is not known to be the same block.
 *   <li>The three outcomes of an INSERT are distinguished: written, refused with the server's code,
 *       and unknown. The unknown outcome is resolved by the batch's own id.
 *   <li>The body has a known length and a checksum per block, so the server recognises a truncated
 *       body. It is stored in the checkpoint as it will be sent, byte for byte.
 *   <li>An answer counts only if it carries this query's id: a proxy's answer is not an outcome.
 * </ul>
 */
package io.experimentetl.clickhouse;
