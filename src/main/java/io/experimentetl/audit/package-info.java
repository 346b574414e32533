/**
 * After the journey: {@code verify} compares PostgreSQL, ClickHouse and the statistics at one LSN,
 * in plain SQL on both sides.
 */
package io.experimentetl.audit;
