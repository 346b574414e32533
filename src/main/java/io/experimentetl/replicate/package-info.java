/**
 * Tables that are copied as they are: what both catalogues say about them, the DDL for ClickHouse,
 * and the step that knows which keys the source holds.
 */
package io.experimentetl.replicate;
