/**
 * After the journey: {@code report} prints one experiment as an HTML page; every figure comes from
 * ClickHouse's views.
 */
package io.experimentetl.report;
