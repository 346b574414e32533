/** {@code ./etl demo}: the whole journey on one machine, shown and checked. */
package io.experimentetl.local.demo;
