/** {@code ./etl resync}: the warehouse read again beside the old one, and what was repaired. */
package io.experimentetl.local.resync;
