/**
 * {@code ./etl report}: an experiment as one page. Knows only ClickHouse's views; every figure is
 * theirs.
 */
package io.experimentetl.report;
