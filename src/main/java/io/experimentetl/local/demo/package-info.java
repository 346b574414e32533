/**
 * {@code ./etl demo} and {@code ./etl bench}: the whole journey on one machine, watched, checked
 * and measured.
 */
package io.experimentetl.local.demo;
